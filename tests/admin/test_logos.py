"""An app's logo is read once, redrawn, and shown from our own host; without one, everything else goes on."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import delete, insert, select, text, update

from idp import apps, audit, errors, fetching, models, upgrading
from idp.admin.apps import app_list, app_stopping, logo_pictures, logos, registering
from idp.admin.apps import apps as store
from idp.admin.privacy import retention
from idp.cli import main
from tests import make, make_browser, make_signed


def picture(colour="red", kind="PNG"):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def site():
    with make_signed.site() as here:
        yield here


@pytest.fixture
def uri(site):
    """The address of a logo that can be read; nobody asked for it yet."""
    site.asked.clear()
    return site.put("/logo.png", picture(), "image/png")


@pytest.fixture
def at_home(house):
    """The same house as a demo on this machine: apps on it may be called."""
    return replace(house, settings=house.settings.model_copy(update={"demo": True}))


def document(**given):
    plain = {"client_id": "rekenbuur", "client_name": "Rekenbuur", "scope": "openid"}
    return plain | {"redirect_uris": ["https://rekenbuur.example/cb"]} | given


def imported(house, **given):
    (done,) = store.import_apps(house, [document(**given)], now=house.clock.now())
    return done


def about(house):
    with house.database.reading() as db:
        return app_list.show(db, "rekenbuur")["logo"]


def stored(house):
    with house.database.reading() as db:
        return apps.load(db, "rekenbuur").logo


def refused(work, *given):
    with pytest.raises(errors.Refusal) as no:
        work(*given)
    return no.value.code, no.value.detail


# ---------------------------------------------------------------- where it comes from


def test_a_logo_is_read_once_when_the_app_is_imported(site, at_home, uri):
    done = imported(at_home, logo_uri=uri)
    assert done.logo_problem is None
    drawn = logo_pictures.drawn(picture())
    found = about(at_home)
    assert found["sha256"] == hashlib.sha256(drawn).hexdigest()
    assert (found["source"], found["problem"], found["fetched_at"]) == (uri, None, at_home.clock.now())
    assert stored(at_home) == found["path"] == f"/app-logo/{found['sha256']}.png"
    imported(at_home, logo_uri=uri, client_name="Rekenbuur 2")
    assert site.asked == ["/logo.png"]


def test_another_address_is_another_logo_and_none_is_none(site, at_home, uri):
    imported(at_home, logo_uri=uri)
    first = stored(at_home)
    imported(at_home, logo_uri=site.put("/blue.png", picture("blue")))
    assert stored(at_home) not in {None, first}
    imported(at_home)
    assert stored(at_home) is about(at_home) is None


def test_a_logo_that_cannot_be_had_is_a_letter_and_says_why(site, at_home):
    wrong = site.put("/logo.svg", b"<svg onload='alert(1)'/>", "image/svg+xml")
    done = imported(at_home, logo_uri=wrong)
    assert done.change is store.Change.ADDED
    assert "an SVG is a program" in done.logo_problem
    assert about(at_home)["problem"] == done.logo_problem
    assert stored(at_home) is about(at_home)["path"] is None
    changed = imported(at_home, logo_uri=f"{site.address}/nowhere")
    assert changed.logo_problem == "the answer is 404, and only 200 is read"


def test_what_was_tried_is_not_tried_with_every_import(site, at_home):
    site.asked.clear()
    gone = f"{site.address}/nowhere"
    assert imported(at_home, logo_uri=gone).logo_problem
    assert imported(at_home, logo_uri=gone, client_name="Again").logo_problem is None
    assert site.asked == ["/nowhere"]


def test_an_operator_has_it_read_again_and_what_there_was_stays_when_that_fails(site, at_home, uri):
    imported(at_home, logo_uri=uri)
    first = stored(at_home)
    site.put("/logo.png", picture("blue"))
    logos.fetch(at_home, "rekenbuur", at_home.clock.now())
    second = stored(at_home)
    assert first != second
    site.put("/logo.png", b"GIF89a")
    code, detail = refused(logos.fetch, at_home, "rekenbuur", at_home.clock.now())
    assert (code, detail) == ("logo_refused", "the file is no sound PNG, JPEG, WebP or GIF")
    assert stored(at_home) == second
    assert about(at_home)["problem"] == detail
    site.put("/logo.png", picture("blue"))
    logos.fetch(at_home, "rekenbuur", at_home.clock.now())
    assert about(at_home)["problem"] is None


def test_a_file_of_the_operator_stays_whatever_the_app_says(site, at_home, uri):
    imported(at_home, logo_uri=uri)
    logos.keep_file(at_home, "rekenbuur", picture("green", "GIF"), at_home.clock.now())
    mine = stored(at_home)
    assert about(at_home)["source"] == "file"
    site.asked.clear()
    imported(at_home, logo_uri=site.put("/blue.png", picture("blue")))
    imported(at_home)
    assert stored(at_home) == mine
    assert not site.asked
    imported(at_home, logo_uri=uri)
    logos.fetch(at_home, "rekenbuur", at_home.clock.now())
    assert about(at_home)["source"] == uri


def test_what_cannot_be_shown_changes_nothing(at_home):
    imported(at_home)
    now = at_home.clock.now()
    assert refused(logos.keep_file, at_home, "rekenbuur", b"<svg/>", now)[0] == "logo_refused"
    assert refused(logos.keep_file, at_home, "nobody", picture(), now)[0] == "app_unknown"
    assert refused(logos.fetch, at_home, "rekenbuur", now)[0] == "logo_refused"
    assert refused(logos.fetch, at_home, "nobody", now)[0] == "app_unknown"
    with at_home.database.transaction() as db:
        assert refused(logos.remove, db, "rekenbuur")[0] == "logo_unknown"
    large = picture() + bytes(logos.MOST)
    assert "larger than" in refused(logos.keep_file, at_home, "rekenbuur", large, now)[1]
    assert about(at_home) is None


def test_the_audit_trail_says_whose_logo_changed(at_home, uri):
    imported(at_home, logo_uri=uri)
    with at_home.database.reading() as db:
        mine = select(models.AuditEvent.object, models.AuditEvent.details)
        row = db.execute(mine.where(models.AuditEvent.event == "app_logo_changed")).one()
    assert row.object == "app:rekenbuur"
    assert row.details == {"source": uri, "sha256": about(at_home)["sha256"]}


@pytest.mark.parametrize(
    "inside",
    [
        "https://127.0.0.1/logo.png",
        "https://10.0.0.1/logo.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/logo.png",
        "https://[::ffff:10.0.0.1]/logo.png",
        "https://0.0.0.0/logo.png",
        "https://localhost/logo.png",
    ],
)
def test_SSRF_05_and_SSRF_01_a_logo_inside_a_network_is_never_read(house, inside):
    done = imported(house, logo_uri=inside)
    assert done.logo_problem == "the address leads inside a network: we call public addresses only"
    assert refused(logos.fetch, house, "rekenbuur", house.clock.now())[0] == "logo_refused"


def test_SSRF_03_a_logo_that_moved_is_not_followed(site, at_home):
    site.put("/secret.png", picture())
    site.moved["/moved.png"] = f"{site.address}/secret.png"
    site.asked.clear()
    done = imported(at_home, logo_uri=f"{site.address}/moved.png")
    assert done.logo_problem == "the answer is 302, and only 200 is read"
    assert site.asked == ["/moved.png"]


def test_a_large_answer_is_not_read_to_its_end(site, at_home):
    large = site.put("/large.png", picture() + bytes(logos.MOST))
    assert "larger than" in imported(at_home, logo_uri=large).logo_problem


def test_a_logo_that_arrives_after_the_app_chose_another_is_not_kept(monkeypatch, at_home, uri):
    imported(at_home)

    def meanwhile(*_given, **_words):
        with at_home.database.transaction() as db:
            app_stopping.remove(db, "rekenbuur", now=at_home.clock.now())
        return fetching.Fetched(status=200, headers={}, body=picture())

    with at_home.database.transaction() as db:
        row = db.execute(select(models.App.registration)).scalar_one()
        db.execute(update(models.App).values(registration=row | {"logo_uri": uri}))
    monkeypatch.setattr(fetching, "get", meanwhile)
    logos.fetch_missing(at_home, ["rekenbuur"], at_home.clock.now())
    with at_home.database.reading() as db:
        assert not db.execute(select(models.AppLogo.client_id)).all()


def test_two_that_arrive_at_once_leave_one(at_home, uri):
    imported(at_home)
    logos.keep_file(at_home, "rekenbuur", picture(), at_home.clock.now())
    with at_home.database.transaction() as db:
        db.execute(delete(models.AppLogo))

    def bring(colour):
        with audit.circumstances(audit.Circumstances(now=make.NOW, actor="system", source="test")):
            logos.keep_file(at_home, "rekenbuur", picture(colour), make.NOW)

    with ThreadPoolExecutor() as together:
        assert [*together.map(bring, ("red", "blue", "green"))] == [None] * 3
    assert stored(at_home)


# ---------------------------------------------------------------- an app that registers itself


def test_a_bad_logo_is_no_reason_to_refuse_a_registration(site, at_home, uri):
    now = at_home.clock.now()
    with at_home.database.transaction() as db:
        words = {
            "label": "x",
            "scope": "openid",
            "uses": 5,
            "until": date(2026, 12, 31),
            "by": "operator:test",
        }
        _, token = registering.issue(db, pkce_exempt_until=None, now=now, **words)
    plain = {"client_name": "Leesland", "redirect_uris": ["https://leesland.example/cb"]}
    made = registering.register(at_home, token, plain | {"logo_uri": f"{site.address}/nowhere"}, now=now)

    def shown():
        with at_home.database.reading() as db:
            return app_list.show(db, made.client_id)["logo"]

    assert made.metadata["logo_uri"] == f"{site.address}/nowhere"
    assert shown()["problem"] == "the answer is 404, and only 200 is read"
    better = plain | {"client_id": made.client_id, "logo_uri": uri}
    registering.change(at_home, made.client_id, made.token, better, now=now)
    assert shown()["path"]
    registering.remove(at_home, made.client_id, made.token, now=now)
    assert shown() is None


# ---------------------------------------------------------------- where it is shown


@pytest.fixture
def story(house):
    """A pupil, and an app with a logo that is visible."""
    with house.database.transaction() as db:
        told = make.story(db, logo_uri="https://rekenbuur.example/logo.png")
    logos.keep_file(house, told.app.client_id, picture(), house.clock.now())
    house.clock.move(seconds=5)
    return told


def address(house, story):
    with house.database.reading() as db:
        return apps.load(db, story.app.client_id).logo


def test_XSS_02_every_page_shows_the_logo_from_our_own_host(house, client, story):
    image = f'src="{address(house, story)}"'
    asked = f"/authorize?{make_browser.query(story.app)}"
    before = [f"/aanmelden?next={quote(asked, safe='')}"]
    pages = [client.get(path).text for path in before]
    make_browser.sign_in(client, house, story.pupil)
    after = ["/mijn-apps", f"/mijn-apps/{story.app.client_id}", f"{asked}&prompt=consent"]
    after.append(f"/end_session?client_id={story.app.client_id}")
    pages += [client.get(path).text for path in after]
    for path, page in zip([*before, *after], pages, strict=True):
        assert page.count(image) == 1, path
        assert "rekenbuur.example/logo.png" not in page, path


def test_a_logo_is_a_picture_for_good_and_nothing_else(house, client, story):
    path = address(house, story)
    answer = client.get(path)
    assert answer.status_code == 200
    assert path == f"/app-logo/{hashlib.sha256(answer.data).hexdigest()}.png"
    assert Image.open(io.BytesIO(answer.data)).size == (192, 192)
    said = answer.headers
    assert said["Content-Type"] == "image/png"
    assert said["X-Content-Type-Options"] == "nosniff"
    assert said["Content-Security-Policy"] == "default-src 'none'"
    assert said["Cross-Origin-Resource-Policy"] == "same-origin"
    assert said["Cache-Control"] == "public, max-age=31536000, immutable"
    assert not {"Set-Cookie", "Vary"} & {*said.keys()}


@pytest.mark.parametrize(
    "path", ["0" * 64 + ".png", "x.png", "A" * 64 + ".png", "..%2f..%2fkeys.png", "%00.png", "0" * 64, ""]
)
def test_what_is_no_logo_is_not_found_and_not_kept(client, path):
    answer = client.get(f"/app-logo/{path}")
    assert answer.status_code in {400, 404}
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_worker_shows_a_new_logo_a_moment_later(house, story):
    other = apps.Registry(house.database, house.clock)
    first = other.find(story.app.client_id).logo
    logos.keep_file(house, story.app.client_id, picture("blue"), house.clock.now())
    assert other.find(story.app.client_id).logo == first
    house.clock.move(seconds=5)
    second = other.find(story.app.client_id).logo
    assert second not in {None, first}
    with house.database.transaction() as db:
        logos.remove(db, story.app.client_id)
    house.clock.move(seconds=5)
    assert other.find(story.app.client_id).logo is None


# ---------------------------------------------------------------- when it goes


def test_a_removed_app_leaves_no_logo(house, client, story):
    path = address(house, story)
    with house.database.transaction() as db:
        app_stopping.remove(db, story.app.client_id, now=house.clock.now())
        assert not db.execute(select(models.AppLogo.client_id)).all()
    assert client.get(path).status_code == 404


def test_tidying_leaves_logos_of_apps_that_are_there(house, story):
    row = {"source": "file", "fetched_at": make.NOW, "sha256": None, "image": None, "problem": None}
    with house.database.transaction() as db:
        gone = make.app(db, disabled_at=make.NOW)
        db.execute(insert(models.AppLogo), row | {"client_id": gone.client_id})
    retention.tidy(house, house.clock.now() + timedelta(days=4000))
    with house.database.reading() as db:
        assert [*db.execute(select(models.AppLogo.client_id)).scalars()] == [story.app.client_id]


# ---------------------------------------------------------------- the command


@pytest.fixture
def idp(house):
    """Run a command on this house; gives exit code, standard output and standard error."""
    with house.database.transaction() as db:
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        db.execute(text("INSERT INTO alembic_version VALUES (:step)"), {"step": upgrading.newest()})
    env = {"IDP_DATABASE_URL": house.settings.database, "IDP_KEYS": str(house.settings.keys_folder)}
    env |= {"IDP_DEMO": "true", "IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1"}

    def run(*words):
        return CliRunner().invoke(
            main, [*map(str, words), "--data", str(house.settings.data)], env=env, catch_exceptions=False
        )

    return run


def test_an_operator_gives_reads_and_takes_away_a_logo(house, idp, site, uri, tmp_path):
    file = tmp_path / "app.json"
    file.write_text(json.dumps(document(logo_uri=f"{site.address}/nowhere")))
    done = idp("app", "import", file)
    assert done.exit_code == 0, done.output
    assert "warning: rekenbuur: no logo: the answer is 404" in done.stderr
    assert json.loads(done.stdout)["change"] == "added"
    assert "404" in json.loads(idp("app", "show", "rekenbuur").stdout)["logo"]["problem"]
    failed = idp("app", "logo", "rekenbuur", "--fetch")
    assert (failed.exit_code, "logo_refused" in failed.stderr) == (1, True)
    logo = tmp_path / "logo.webp"
    logo.write_bytes(picture("blue", "WEBP"))
    given = idp("app", "logo", "rekenbuur", logo)
    assert given.stdout.strip() == f"{house.settings.issuer}{stored(house)}"
    assert idp("app", "logo", "rekenbuur", "--remove").exit_code == 0
    assert stored(house) is None
    for words in ((), (logo, "--fetch"), ("--fetch", "--remove")):
        assert idp("app", "logo", "rekenbuur", *words).exit_code == 2
    added = ("--name", "Leesland", "--redirect-uri", "https://l.example/cb", "--client-id", "leesland")
    assert idp("app", "add", *added, "--logo-uri", uri).exit_code == 0
    assert json.loads(idp("app", "show", "leesland").stdout)["logo"]["source"] == uri
