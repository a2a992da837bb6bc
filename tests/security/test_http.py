"""HTTP, HEAD, LEAK, XSS-06, CSRF: what any stranger with a keyboard may send, and what always comes back."""

from __future__ import annotations

import re

import pytest
from werkzeug.test import Client

from idp import config, context, serving, web
from tests import make
from tests.make_browser import query, sign_in
from tests.make_reading import stands

PAGES = (
    "/aanmelden",
    "/afmelden",
    "/mijn-apps",
    "/mijn/noor.peeters",
    "/nieuw-wachtwoord",
    "/authorize",
    "/x",
)
MACHINES = ("/token", "/userinfo", "/introspect", "/revoke")
ISSUER = "http://localhost:8080"


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db)


# ---------------------------------------------------------------- methods and paths


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_HTTP_09_a_program_reads_json_when_the_method_is_wrong(client, path, method):
    answer = client.open(path, method=method, headers={"X-Echo": "canary"})
    assert (answer.status_code, answer.mimetype) == (405, "application/json")
    assert answer.json["error"] == "invalid_request"
    assert "POST" in answer.headers["Allow"]
    assert "canary" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_HTTP_09_a_header_changes_no_method(client, header):
    assert client.get("/token", headers={header: "POST"}).status_code == 405
    assert client.post("/aanmelden?_method=DELETE", headers={header: "GET"}).status_code == 400


def test_HTTP_09_a_person_reads_a_page_and_a_program_json_where_nothing_is(client):
    assert client.get("/nowhere").mimetype == "text/html"
    program = client.get("/nowhere", headers={"Accept": "application/json"})
    assert (program.status_code, program.json["error"]) == (404, "not_found")
    assert client.put("/authorize").mimetype == "text/html"


@pytest.mark.parametrize(
    "path",
    ["/TOKEN", "/token/", "/token;x", "//token", "/userinfo/", "/aanmelden/", "/AANMELDEN", "/mijn-apps;x"],
)
def test_HTTP_14_another_spelling_is_another_address(client, path):
    answer = client.post(path) if "token" in path.lower() else client.get(path)
    assert answer.status_code in {404, 405}


@pytest.mark.parametrize(
    "name", ["a" * 3000, "%00", "..%2f..%2fetc%2fpasswd", "../idp.toml", "é" * 300, "%ff"]
)
def test_HTTP_07_and_08_odd_names_of_files_are_not_found(client, name):
    assert client.get(f"/static/{name}").status_code in {400, 404}


@pytest.mark.parametrize("path", ["/aanmelden", "/token", "/taal", "/authorize", "/end_session", "/afmelden"])
def test_DOS_03_a_body_that_is_too_large_is_refused_everywhere(client, path):
    answer = client.post(
        path, data=b"x=" + b"a" * 10_000_000, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize("path", MACHINES[:1] + MACHINES[2:])
def test_HTTP_17_only_a_form_is_a_form(client, path, kind):
    answer = client.post(path, data=b'{"grant_type":"authorization_code"}', content_type=kind)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_HTTP_07_a_nul_in_a_form_is_refused_however_the_form_is_packed(client, kind):
    page = client.get("/aanmelden")
    word = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    for sent, status in (({}, 303), ({"verder": "x\x00"}, 400), ({"x\x00": "y"}, 400)):
        form = {"csrf_token": word, "taal": "fr"} | sent
        assert client.post("/taal", data=form, content_type=kind).status_code == status


# ---------------------------------------------------------------- Host and Origin


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost:8080@evil.example", "[::1", ""]
)
@pytest.mark.parametrize("path", PAGES)
def test_HTTP_01_no_page_says_what_host_says(client, path, host):
    answer = client.get(path, headers={"Host": host, "X-Forwarded-Host": "evil.example"})
    assert answer.status_code < 500
    assert "evil.example" not in answer.text + str(answer.headers)


def _word(client, **headers):
    """The CSRF word of a page of this browser."""
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/aanmelden", headers=headers).text)[1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": ISSUER}, 303),
        ({"Origin": "http://127.0.0.1:8080"}, 303),
        ({"Origin": "http://evil.example:8080", "Host": "evil.example:8080"}, 400),
        ({"Origin": "https://localhost:8080"}, 400),
        ({"Origin": "http://localhost:8081"}, 400),
        ({"Origin": "http://localhost:8080.evil.example"}, 400),
        ({"Origin": "null"}, 400),
        ({"Origin": ""}, 400),
        ({"Referer": f"{ISSUER}/aanmelden?next=x"}, 303),
        ({"Referer": "https://evil.example/http://localhost:8080/"}, 400),
        ({"Referer": "http://localhost:8080@evil.example/"}, 400),
        ({"Sec-Fetch-Site": "cross-site"}, 400),
        ({"Origin": ISSUER, "Host": "upstream:9000"}, 303),
    ],
)
def test_CSRF_01_and_HTTP_01_a_form_comes_from_the_issuer_whatever_host_says(client, headers, status):
    host = {"Host": headers["Host"]} if "Host" in headers else {}
    data = {"csrf_token": _word(client, **host), "username": "noor.peeters"}
    assert client.post("/aanmelden", data=data, headers=headers).status_code == status


def test_CSRF_01_the_word_of_another_browser_is_no_word(app):
    mine, theirs = app.test_client(), app.test_client()
    _word(theirs)
    data = {"csrf_token": _word(mine), "username": "noor.peeters"}
    assert theirs.post("/aanmelden", data=data).status_code == 400
    assert app.test_client().post("/aanmelden", data=data).status_code == 400


# ---------------------------------------------------------------- CORS


def test_HTTP_10_a_page_of_a_public_app_may_ask_for_tokens_and_nobody_elses(client, house):
    with house.database.transaction() as db:
        make.app(db, "spa", token_endpoint_auth_method="none", redirect_uris=["https://spa.example:8443/cb"])
        make.app(db, "server", redirect_uris=["https://server.example/cb"])
    for path in ("/token", "/userinfo", "/revoke"):
        for origin in (
            "https://evil.example",
            "null",
            "https://server.example",
            "https://spa.example",
            ISSUER,
        ):
            answer = client.options(path, headers={"Origin": origin})
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], origin
        mine = {"Origin": "https://spa.example:8443"}
        asked = client.options(path, headers=mine | {"Access-Control-Request-Method": "POST"})
        assert asked.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        answer = client.post(path, headers=mine)
        assert answer.headers["Access-Control-Allow-Origin"] == mine["Origin"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
    for path in ("/introspect", *PAGES):
        assert "Access-Control-Allow-Origin" not in client.get(path, headers=mine).headers


def test_HTTP_10_origins_are_compared_as_browsers_say_them(client, house):
    uris = ["https://Spa.Example:443/cb", "http://localhost/cb", "http://[::1]:5000/cb"]
    with house.database.transaction() as db:
        make.app(db, "spa", token_endpoint_auth_method="none", redirect_uris=uris)
        make.app(db, "server", redirect_uris=["http://127.0.0.1:5173/cb"])
    for origin in ("https://spa.example", "http://localhost:5173", "http://localhost", "http://[::1]:9"):
        answer = client.post("/token", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    for origin in (
        "https://spa.example:8443",
        "https://localhost:5173",
        "http://127.0.0.1:5173",
        "http://localhost.evil.example",
        "http://localhost:5173@evil.example",
        "http://localhost:123456",
    ):
        answer = client.post("/token", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers, origin


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize("path", [*PAGES, *MACHINES, "/static/nope", "/k/K1x"])
def test_HTTP_12_and_HEAD_02_to_05_every_answer_carries_our_headers(client, house, story, path):
    sign_in(client, house, story.pupil)
    answer = client.get(path)
    head = answer.headers
    assert head["X-Content-Type-Options"] == "nosniff"
    if not path.startswith("/static"):
        assert head["Cache-Control"] == "no-store"
    if answer.mimetype == "text/html":
        policy = dict(part.strip().partition(" ")[::2] for part in head["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in head["Content-Security-Policy"]
        assert head["Referrer-Policy"] == "same-origin"
        assert head["X-Frame-Options"] == "DENY"
        assert "Cookie" in head["Vary"]


def test_HEAD_01_and_06_on_https_cookies_are_of_this_host_only(house, story):
    from idp.app import create_app
    from idp.context import House

    settings = house.settings.model_copy(update={"issuer": "https://id.example"})
    secure = House(
        **{name: getattr(house, name) for name in House.__dataclass_fields__} | {"settings": settings}
    )
    client = create_app(secure).test_client()
    answer = client.get(f"/authorize?{query(story.app)}")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    cookie = client.get("/aanmelden").headers["Set-Cookie"]
    assert cookie.startswith("__Host-idp-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("https://App.example:8443/cb?x=%2F&y=a+b", "https://App.example:8443/cb?x=%2F&y=a+b"),
        ("/mijn-apps?x=één", "/mijn-apps?x=%C3%A9%C3%A9n"),
        ("https://app.example/a b#c", "https://app.example/a%20b#c"),
        ('/mijn-apps?<script>"', "/mijn-apps?%3Cscript%3E%22"),
        ("/mijn-apps?\r\nSet-Cookie: x=y", "/mijn-apps?Set-Cookie:%20x=y"),
    ],
)
def test_HTTP_12_an_address_is_led_to_as_it_is_and_quoted_where_it_must_be(app, location, leads_to):
    with app.test_request_context("/"):
        answer = web.see_other(location).get_wsgi_headers({})
    assert answer["Location"] == leads_to
    assert answer["Content-Length"] == "0"


# ---------------------------------------------------------------- in clear


@pytest.fixture
def secure(house):
    """The whole of us behind one proxy of ours that speaks TLS, and does not turn http away by itself."""
    settings = house.settings.model_copy(update={"issuer": "https://id.example", "trusted_proxies": 1})
    words = {name: getattr(house, name) for name in context.House.__dataclass_fields__}
    return Client(serving.assemble(context.House(**words | {"settings": settings})))


IN_CLEAR = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.7"}


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("/aanmelden?next=%2Fmijn-apps", "/aanmelden?next=%2Fmijn-apps"),
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/%2Fevil.example/x", "/evil.example/x"),
        ("/mijn/no%C3%ABl%0D%0AX-Evil:%201", "/mijn/no%C3%ABl%0D%0AX-Evil:%201"),
    ],
)
def test_HTTP_18_what_came_in_clear_is_led_to_https_and_sets_nothing(secure, asked, leads_to):
    answer = secure.get(asked, headers=IN_CLEAR)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://id.example{leads_to}")
    assert "Set-Cookie" not in answer.headers
    assert "X-Evil" not in answer.headers
    assert answer.data == b""


def test_HTTP_18_nothing_is_done_with_credentials_that_came_in_clear(secure, house, story):
    signing_in = {"username": story.username, "password": "kat appel trein kasteel"}
    answers = [
        secure.post("/aanmelden", data=signing_in, headers=IN_CLEAR),
        secure.post("/token", data={"grant_type": "client_credentials"}, headers=IN_CLEAR),
        secure.get("/userinfo", headers=IN_CLEAR | {"Authorization": "Bearer lsa_x"}),
        secure.open("/token", method="PUT", headers=IN_CLEAR),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert answer.json == {"error": "invalid_request", "error_description": "Use https."}
        assert not {"Location", "Set-Cookie"} & {*answer.headers.keys()}


def test_HTTP_18_over_https_and_from_a_proxy_that_says_nothing_all_is_as_usual(secure):
    for headers in ({"X-Forwarded-Proto": "https"}, {}, {"X-Forwarded-Proto": "http, https"}):
        answer = secure.get("/aanmelden", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    assert secure.get("/aanmelden", headers={"X-Forwarded-Proto": "https, http"}).status_code == 308


def test_HTTP_18_without_a_proxy_of_ours_its_word_counts_for_nothing(house):
    answer = Client(serving.assemble(house)).get("/aanmelden", headers=IN_CLEAR)
    assert answer.status_code == 200


@pytest.mark.parametrize("issuer", ["http://id.example", "http://192.0.2.1", "http://localhost.example"])
def test_HTTP_18_an_issuer_in_clear_is_refused_anywhere_but_on_this_machine(tmp_path, issuer):
    with pytest.raises(config.ConfigurationError, match="http is for this machine only"):
        config.read({}, data=tmp_path, issuer=issuer)


# ---------------------------------------------------------------- what leaks


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/?__debugger__=yes",
        "/.git/config",
        "/.env",
        "/metrics",
        "/debug",
        "/swagger",
        "/admin",
        "/idp.toml",
        "/keys",
        "/static/../idp.sqlite",
        "/static/",
        "/server-status",
        "/actuator",
    ],
)
def test_LEAK_02_nothing_is_there_that_is_not_for_strangers(client, path):
    assert client.get(path).status_code in {404, 401, 303, 308}
    assert "SQLite format" not in client.get(path).text


def test_LEAK_01_a_bug_shows_a_number_and_no_more(app):
    @web.door(web.Door.ANYONE)
    def broken():
        raise RuntimeError("secret /srv/path SELECT 1")

    app.testing = False
    app.view_functions["login.sign_in_page"] = broken
    answer = app.test_client().get("/aanmelden")
    assert answer.status_code == 500
    for word in ("secret", "srv", "SELECT", "Traceback", "RuntimeError", "werkzeug", "flask"):
        assert not stands(word, answer.text), word


def test_LEAK_03_what_a_database_says_about_its_rows_is_not_logged(app, house, capfd):
    name = f"noor.{make.NOW.year}"

    @web.door(web.Door.ANYONE)
    def twice():
        with house.database.transaction() as db:
            make.account(db, make.pupil(db), name)
            make.account(db, make.pupil(db), name)

    app.testing = False
    app.view_functions["login.sign_in_page"] = twice
    assert app.test_client().get("/aanmelden").status_code == 500
    said = "".join(capfd.readouterr())
    assert "IntegrityError" in said or "UniqueViolation" in said
    assert name not in said


@pytest.mark.parametrize(
    "path", ["/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E", '/"><svg onload=x>']
)
def test_XSS_06_and_INJ_07_a_page_that_says_no_repeats_nothing(client, path):
    for method in ("GET", "PUT"):
        text = client.open(path, method=method).text
        assert "<script>alert" not in text
        assert "<svg" not in text.replace('<svg class="', "")


@pytest.mark.parametrize(
    "probe", ["{{77777*77777}}", "${jndi:ldap://x}", "%s%n%x", "' OR 1=1--", '"; DROP TABLE account;--']
)
def test_INJ_01_and_07_a_name_is_only_ever_a_name(client, probe):
    page = client.get("/aanmelden")
    word = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    answer = client.post("/aanmelden", data={"csrf_token": word, "username": probe}, follow_redirects=True)
    assert answer.status_code in {200, 400}
    assert "6049261729" not in answer.text or "{{77777*77777}}" not in probe
