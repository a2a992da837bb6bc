"""Programs of packages: who they are, which identifiers they get, what they may deliver, and what they hear back."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import func, select, update

from idp import entropy, manners, models, patience
from idp.feeds import endpoints, feed_clients
from idp.models import ClassMembership, Delivery
from tests import make as plain
from tests import make_feeds as make

API = "/api/pakket/v1"
INFORMAT = (make.DATA / "informat" / "999002-registrations.json").read_bytes()


def program(house, pakket="informat", **words):
    with house.database.transaction() as db:
        return feed_clients.add(db, naam="Maker", pakket=pakket, now=house.clock.now(), **words)


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def token(client, client_id, secret):
    answer = client.post(
        f"{API}/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
    )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


@pytest.fixture
def theirs(house, client):
    """A token of Informat's program; the schools of the data, of which all but 999004 share."""
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    with house.database.transaction() as db:
        for number in ("999001", "999002", "999003"):
            plain.agreement(db, number)
    return token(client, *program(house))


def put(client, who, body, school="999002", *, headers=(), **query):
    path = f"{API}/scholen/{school}/klasinformatie"
    return client.put(path, data=body, headers=who | dict(headers), query_string=query)


def seats(house, school="999002"):
    mine = (ClassMembership.instellingsnummer == school, ClassMembership.replaced_at.is_(None))
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(ClassMembership).where(*mine)).scalar()


# ---------------------------------------------------------------- who calls


def test_IMP_13_a_wrong_key_another_packages_key_and_a_closed_program_get_nothing(house, client, theirs):
    client_id, secret = program(house, "wisa")
    for headers in (basic(client_id, "lsk_wrong"), basic("nobody", secret), {}):
        answer = client.post(f"{API}/token", data={"grant_type": "client_credentials"}, headers=headers)
        assert answer.status_code == 401
    for headers in ({}, {"Authorization": "Bearer lsa_x"}, basic(client_id, secret)):
        assert put(client, headers, INFORMAT, formaat="informat").status_code == 401
    wisa = token(client, client_id, secret)
    other = put(client, wisa, INFORMAT, formaat="informat")
    assert (other.status_code, other.json["reasons"]) == (403, ["wrong_package"])
    assert client.get(f"{API}/scholen/999002/leerlingen", headers=wisa).status_code == 403
    with house.database.transaction() as db:
        feed_clients.close(db, client_id, closed=True, now=house.clock.now())
    assert client.get(f"{API}/scholen/999001/leerlingen", headers=wisa).status_code == 401
    assert seats(house) == 0


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("scope=pakket", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
    ],
)
def test_a_request_for_a_token_that_lacks_something_is_told_what(client, theirs, body, error):
    form = "application/x-www-form-urlencoded"
    answer = client.post(f"{API}/token", data=body, content_type=form)
    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert (error == "invalid_request") == bool(answer.json.get("error_description"))
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_refusal_is_never_without_a_word_and_blames_no_token_that_was_not_sent(client, theirs):
    answers = [
        client.get(f"{API}/scholen/{path}", headers=theirs)
        for path in ("abc/leerlingen", "999002/leveringen/x", f"999002/leveringen/{entropy.identifier()}")
    ]
    assert [one.status_code for one in answers] == [404, 404, 404]
    silent = client.get(f"{API}/scholen/999002/leerlingen")
    odd = client.get(f"{API}/scholen/999002/leerlingen", headers={"Authorization": "Bearer lsa_x"})
    assert all(one.json["error_description"] for one in (*answers, silent, odd))
    assert "error=" not in silent.headers["WWW-Authenticate"]
    assert 'error="invalid_token"' in odd.headers["WWW-Authenticate"]


def test_IMP_13_a_signed_assertion_is_good_once_and_for_ten_minutes(house, client):
    key = ECKey.generate_key("P-256")
    client_id, secret = program(house, jwks={"keys": [key.as_dict(private=False)]})
    assert secret is None
    now = int(house.clock.now().timestamp())
    words = {"iss": client_id, "sub": client_id, "aud": house.settings.issuer}

    def post(**claims):
        signed = jwt.encode({"alg": "ES256"}, words | {"exp": now + 60, "jti": "one"} | claims, key)
        form = {"grant_type": "client_credentials", "client_assertion": signed}
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return client.post(f"{API}/token", data=form).status_code

    assert [post(), post(), post(jti="two", exp=now - 120), post(jti="three", exp=now + 3600)] == [
        200,
        401,
        401,
        401,
    ]


def test_a_secret_changes_without_a_moment_in_which_none_works(house, client):
    client_id, old = program(house)
    now = house.clock.now()
    with house.database.transaction() as db:
        new = feed_clients.new_secret(db, client_id, old_until=now + timedelta(days=7), now=now)
    assert token(client, client_id, old)
    fresh = token(client, client_id, new)
    house.clock.move(days=8)
    again = client.post(
        f"{API}/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, old)
    )
    assert again.status_code == 401
    assert client.get(f"{API}/scholen/999002/leerlingen", headers=fresh).status_code == 401
    assert token(client, client_id, new)


def test_a_program_is_no_app_and_an_app_no_program(house, client, theirs):
    assert client.get("/userinfo", headers=theirs).status_code == 401
    client_id, secret = program(house, None)
    directors = token(client, client_id, secret)
    assert client.get(f"{API}/scholen/999002/leerlingen", headers=directors).status_code == 401
    assert client.put(f"{API}/directeurs", data=b"", headers=theirs).status_code == 401


# ---------------------------------------------------------------- identifiers


def test_IDOR_13_a_package_gets_the_identifiers_of_its_schools_pupils_and_no_others(house, client, theirs):
    answer = client.get(f"{API}/scholen/999002/leerlingen", headers=theirs)
    assert answer.status_code == 200
    got = answer.json["leerlingen"]
    assert {*got[0]} == {"stamnummer", "leerid_uuid", "account_uuid", "begindatum", "einddatum"}
    query = select(models.Enrolment.account_uuid).where(
        models.Enrolment.instellingsnummer == "999002", models.Enrolment.einddatum >= house.clock.today()
    )
    with house.database.reading() as db:
        assert {one["account_uuid"] for one in got} == {*db.execute(query).scalars()}
    for school in ("999001", "999003", "999004", "999009", "x"):
        no = client.get(f"{API}/scholen/{school}/leerlingen", headers=theirs)
        assert no.status_code in {403, 404}
        assert "leerlingen" not in no.json


def test_identifiers_come_in_pages_with_an_etag_and_since_a_moment(house, client, theirs):
    path, pages, after = f"{API}/scholen/999002/leerlingen", [], None
    while True:
        query = {"limiet": "50"} | ({"na": after} if after else {})
        answer = client.get(path, headers=theirs, query_string=query)
        pages += answer.json["leerlingen"]
        after = answer.json["volgende"]
        if after is None:
            break
    whole = client.get(path, headers=theirs)
    assert pages == whole.json["leerlingen"]
    assert len({one["stamnummer"] for one in pages}) == len(pages)
    same = client.get(path, headers=theirs | {"If-None-Match": whole.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    packed = client.get(path, headers=theirs | {"If-None-Match": f"W/{whole.headers['ETag']}"})
    assert packed.status_code == 304, "a proxy that packs the answer makes its ETag a weak one"
    house.clock.move(minutes=30)
    moment = whole.json["moment"]
    since = client.get(path, headers=theirs, query_string={"gewijzigd_sinds": "2026-11-23T09:10:00Z"})
    assert since.json["leerlingen"] == []
    with house.database.transaction() as db:
        uuid = pages[0]["account_uuid"]
        plain.account(db, uuid, created_at=house.clock.now())
    since = client.get(path, headers=theirs, query_string={"gewijzigd_sinds": "2026-11-23T09:10:00Z"})
    assert [one["account_uuid"] for one in since.json["leerlingen"]] == [uuid]
    assert client.get(path, headers=theirs | {"If-None-Match": whole.headers["ETag"]}).status_code in {
        200,
        304,
    }
    assert moment
    for query in ({"gewijzigd_sinds": "gisteren"}, {"limiet": "0"}, {"na": "x"}):
        assert client.get(path, headers=theirs, query_string=query).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"limiet": "00000199999999999999999999"},
        {"limiet": "000001000000"},
        {"limiet": "9" * 5000},
        {"limiet": "²"},
        {"gewijzigd_sinds": "0001-01-01T00:00:00+23:59"},
        {"gewijzigd_sinds": "9999-12-31T23:59:59-23:59"},
        {"gewijzigd_sinds": "9999-12-31T23:59:59Z"},
        {"gewijzigd_sinds": "2026-11-23T02:15:00"},
        {"gewijzigd_sinds": ""},
    ],
)
def test_a_limit_or_a_moment_out_of_this_world_is_refused_in_words(client, theirs, query):
    answer = client.get(f"{API}/scholen/999002/leerlingen", headers=theirs, query_string=query)
    assert answer.status_code == 400
    assert answer.json["error_description"]


def test_the_moment_of_an_answer_can_be_put_in_an_address_as_it_stands(client, theirs):
    path = f"{API}/scholen/999002/leerlingen"
    moment = client.get(path, headers=theirs).json["moment"]
    assert client.get(f"{path}?gewijzigd_sinds={moment}", headers=theirs).status_code == 200


def test_a_change_that_was_under_way_during_an_answer_is_told_in_the_next(house, client, theirs):
    path = f"{API}/scholen/999002/leerlingen"
    house.clock.move(minutes=10)
    first = client.get(path, headers=theirs).json
    uuid = first["leerlingen"][0]["account_uuid"]
    began = house.clock.now() - timedelta(minutes=2)  # before the answer; written after it
    house.clock.move(minutes=1)
    mine = models.Enrolment.account_uuid == uuid
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).where(mine).values(changed_at=began))
    then = client.get(path, headers=theirs, query_string={"gewijzigd_sinds": first["moment"]}).json
    assert [one["account_uuid"] for one in then["leerlingen"]] == [uuid]


# ---------------------------------------------------------------- classes


def test_a_delivery_is_applied_and_the_same_again_changes_nothing(house, client, theirs):
    first = put(client, theirs, INFORMAT, formaat="informat", gemaakt_op="2026-11-23T02:15:00Z")
    assert (first.status_code, first.json["state"], first.json["problems"]) == (200, "applied", [])
    assert first.json["counts"]["add"] == seats(house) > 0
    packed = put(
        client,
        theirs,
        gzip.compress(INFORMAT),
        formaat="informat",
        gemaakt_op="2026-11-23T02:15:00Z",
        headers={"Content-Encoding": "gzip"},
    )
    assert packed.json["counts"]["keep"] == first.json["counts"]["add"]
    assert packed.json["counts"]["add"] == packed.json["counts"]["end"] == 0
    older = put(client, theirs, INFORMAT, formaat="informat", gemaakt_op="2026-11-22T02:15:00Z")
    assert (older.status_code, older.json["reasons"]) == (422, ["stale"])
    read = client.get(f"{API}/scholen/999002/leveringen/{first.json['delivery']}", headers=theirs)
    assert read.json == first.json


def test_a_package_may_deliver_in_our_own_format_with_the_identifiers_it_got(house, client, theirs):
    pupil = client.get(f"{API}/scholen/999002/leerlingen", headers=theirs).json["leerlingen"][0]
    row = {"account_uuid": pupil["account_uuid"], "klas_id": "1", "klascode": "1A", "klasnaam": "1A"}
    row |= {"soort": "klas", "begindatum": "2026-09-01", "einddatum": None}
    done = put(client, theirs, json.dumps([row]))
    assert (done.status_code, done.json["format"], seats(house)) == (200, "leersleutel", 1)
    head = "account_uuid;klas_id;klascode;klasnaam;soort;begindatum;einddatum\n"
    csv = f"{head}{pupil['account_uuid']};1;1A;1A;klas;2026-09-01;\n"
    assert put(client, theirs, csv).json["counts"]["keep"] == 1


def test_IMP_10_a_school_that_does_not_share_gets_nothing_read_or_stored(house, client, theirs):
    answer = put(client, theirs, INFORMAT, school="999004", formaat="informat")
    assert (answer.status_code, answer.json["reasons"]) == (403, ["does_not_share"])
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
    answer = put(client, theirs, INFORMAT, formaat="informat")
    assert (answer.status_code, answer.json["state"]) == (403, "refused")
    with house.database.reading() as db:
        assert (
            db.execute(select(Delivery.state).where(Delivery.kind == "classes")).scalars().all()
            == ["refused"] * 2
        )
        assert db.execute(select(func.count()).select_from(models.Klas)).scalar() == 0


def test_CONS_the_school_may_stop_while_the_body_is_on_its_way(house, client, theirs):
    class Slow(io.RawIOBase):
        def __init__(self):
            self.parts = [INFORMAT[at : at + 5000] for at in range(0, len(INFORMAT), 5000)] + [b""]

        def tell(self):
            return 0

        def seek(self, *_where):
            return 0

        def readinto(self, into):
            part = self.parts.pop(0)[: len(into)]
            if not part:
                with house.database.transaction() as db:
                    db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
            into[: len(part)] = part
            return len(part)

    answer = client.put(
        f"{API}/scholen/999002/klasinformatie?formaat=informat",
        input_stream=Slow(),
        headers=theirs,
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.json["reasons"]) == (422, ["does_not_share"])
    assert seats(house) == 0


def bomb():
    return gzip.compress(b"[" + b" " * 30_000_000)


def test_IMP_01_IMP_05_bombs_and_bodies_that_are_too_large_or_cut_short_are_refused(house, client, theirs):
    packed = {"Content-Encoding": "gzip"}
    told = [
        put(client, theirs, bomb(), headers=packed).json["reasons"],
        put(client, theirs, b"no gzip at all", headers=packed).json["reasons"],
        put(client, theirs, gzip.compress(INFORMAT)[:-200], headers=packed, formaat="informat").json[
            "reasons"
        ],
        put(client, theirs, b"x" * (51 * 1024 * 1024)).json["reasons"],
        put(client, theirs, b"").json["reasons"],
    ]
    assert told == [
        ["packed_too_tightly"],
        ["broken_archive"],
        ["broken_archive"],
        ["too_large"],
        ["empty_file"],
    ]
    assert put(client, theirs, b"x", headers={"Content-Encoding": "br"}).status_code == 415
    cut = client.put(
        f"{API}/scholen/999002/klasinformatie?formaat=informat",
        input_stream=io.BytesIO(INFORMAT[:5000]),
        headers=theirs,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(INFORMAT))},
    )
    assert cut.json["reasons"] == ["cut_short"]


def test_IMP_05_a_body_that_drips_gives_its_place_back_after_ten_minutes(house, client, theirs):
    class Dripping(io.BytesIO):
        def read(self, _size=-1):
            house.clock.move(minutes=2)
            return b" "

    answer = client.put(
        f"{API}/scholen/999002/klasinformatie?formaat=informat",
        input_stream=Dripping(),
        headers=theirs,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": "1000000"},
    )
    assert (answer.status_code, answer.json["reasons"]) == (422, ["cut_short"])
    assert put(client, theirs, INFORMAT, formaat="informat").json["state"] == "applied"


def test_IMP_13_another_package_hides_nothing_of_a_school_and_learns_nothing(house, client, theirs):
    wisa = token(client, *program(house, "wisa"))
    for school in ("999002", "999004"):  # one shares, the other does not
        answer = put(client, wisa, INFORMAT, school, formaat="informat")
        assert (answer.status_code, answer.json["reasons"]) == (403, ["wrong_package"])
        ask = client.get(f"{API}/scholen/{school}/leveringen/{answer.json['delivery']}", headers=wisa)
        assert ask.status_code == 403
    with house.database.reading() as db:
        mine = Delivery.instellingsnummer.in_(("999002", "999004"))
        query = select(func.count()).select_from(Delivery).where(mine, Delivery.kind == "classes")
        assert db.execute(query).scalar() == 0


def test_IDOR_13_a_package_reads_reports_of_classes_and_of_nothing_else(house, client, theirs):
    with house.database.reading() as db:
        mine = (Delivery.instellingsnummer == "999002", Delivery.kind == "enrolments")
        enrolments = db.execute(select(Delivery.id).where(*mine)).scalars().first()
    classes = put(client, theirs, INFORMAT, formaat="informat").json["delivery"]
    path = f"{API}/scholen/999002/leveringen"
    assert client.get(f"{path}/{classes}", headers=theirs).status_code == 200
    assert client.get(f"{path}/{enrolments}", headers=theirs).status_code == 404


@pytest.mark.parametrize("odd", ["-" * 36, "a" * 36, f"{'a' * 32}----", f"-{'a' * 34}-"])
def test_HTTP_07_what_only_looks_like_an_id_is_refused_and_breaks_nothing(client, theirs, odd):
    school = f"{API}/scholen/999002"
    assert client.get(f"{school}/leveringen/{odd}", headers=theirs).status_code == 404
    page = client.get(f"{school}/leerlingen", headers=theirs, query_string={"na": odd})
    assert (page.status_code, page.json["error"]) == (400, "page_unknown")


def test_IMP_04_a_document_with_entities_or_a_workbook_is_refused_unread(house, client, theirs):
    xml = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", xml)
    for form in ("informat", "leersleutel"):
        for body in (xml, book.getvalue()):
            answer = put(client, theirs, body, formaat=form)
            assert answer.status_code == 422
            assert "passwd" not in answer.text


def test_IMP_17_a_report_names_lines_and_codes_and_never_what_stood_there(house, client, theirs):
    rows = json.loads(INFORMAT)
    rows[0]["stamnr"], rows[1]["inschrKlassen"][0]["begindatum"] = "Geheim-9", "31-31-Geheim"
    answer = put(client, theirs, json.dumps(rows), formaat="informat")
    assert answer.status_code == 200
    assert set(answer.json["problem_counts"]) == {"unknown_pupil", "impossible_date"}
    assert "Geheim" not in answer.text
    assert all(one["line"] for one in answer.json["problems"])


def test_only_deliveries_get_past_the_limit_for_forms():
    seen = []

    def inner(environ, _start):
        seen.append(environ["wsgi.input"].read(10_000_000))
        return [b""]

    guarded = patience.before(
        inner, seats=1, waiting=1, largest=manners.LARGEST_BODY, apart=endpoints.is_upload
    )
    for method, path in (
        ("PUT", f"{API}/scholen/999002/klasinformatie"),
        ("PUT", f"{API}/scholen/999002/leerlingen"),
        ("POST", f"{API}/scholen/999002/klasinformatie"),
    ):
        body = b"x" * (manners.LARGEST_BODY * 4)
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body)}
        guarded(environ | {"HTTP_TRANSFER_ENCODING": "chunked"}, None)
    assert [len(one) for one in seen] == [
        manners.LARGEST_BODY * 4,
        manners.LARGEST_BODY + 1,
        manners.LARGEST_BODY + 1,
    ]


# ---------------------------------------------------------------- directors


def test_the_weekly_list_of_directors_comes_by_program(house, client):
    make.schools(house)
    headers = token(client, *program(house, None))
    done = client.put(f"{API}/directeurs", data=(make.DATA / "directors.csv").read_bytes(), headers=headers)
    assert (done.status_code, done.json["state"]) == (200, "applied")
    assert done.json["counts"]["give"] > 0
    again = client.put(f"{API}/directeurs", data=(make.DATA / "directors.csv").read_bytes(), headers=headers)
    assert (again.json["counts"]["give"], again.json["counts"]["keep"]) == (0, done.json["counts"]["give"])
    lines = (make.DATA / "directors.csv").read_bytes().splitlines(keepends=True)
    fewer = client.put(f"{API}/directeurs", data=b"".join(lines[:-1]), headers=headers)
    assert len(fewer.json["missing"]) == 1
    assert client.put(f"{API}/directeurs", data=b"x;y\n1;2\n", headers=headers).status_code == 422
