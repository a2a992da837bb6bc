"""From a package's delivery to what an app learns: all of the data, by HTTPS and by folder; docs/packages.md as pasted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from sqlalchemy import select, update

from idp import apps, models
from idp.feeds import drop, feed_clients
from idp.feeds import endpoints as feeding
from idp.oidc import clients
from tests import make as plain
from tests import make_feeds as make
from tests.feeds.test_endpoints import put, token
from tests.feeds.test_oneroster import files, zipped
from tests.make_running import running
from tests.make_tokens import SECRET, Bench

WISA = (make.DATA / "wisa" / "999001-leerlingen.csv").read_bytes()
INFORMAT = (make.DATA / "informat" / "999002-registrations.json").read_bytes()
SCHOOLS = {
    "999001": ("wisa", WISA, "x.csv"),
    "999002": ("informat", INFORMAT, "x.json"),
    "999003": ("oneroster", zipped(files()), "x.zip"),
}
PACKAGES = (make.DATA.parent.parent / "docs" / "packages.md").read_text(encoding="utf-8")


@pytest.fixture
def bench(house):
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    with house.database.transaction() as db:
        for number in SCHOOLS:
            plain.agreement(db, number)
    made = Bench(house)
    made.app.register_blueprint(feeding.blueprint)
    return made


def told(bench, school):
    """The classes that an app learns of one pupil of this school who is in one today."""
    with bench.house.database.transaction() as db:
        member = models.ClassMembership
        query = select(member.account_uuid).where(
            member.instellingsnummer == school,
            member.replaced_at.is_(None),
            member.account_uuid.in_(
                select(models.Enrolment.account_uuid).where(
                    models.Enrolment.instellingsnummer == school,
                    models.Enrolment.begindatum <= plain.TODAY,
                    models.Enrolment.einddatum >= plain.TODAY,
                )
            ),
            ~member.account_uuid.in_(select(models.Account.account_uuid)),
        )
        uuid = db.execute(query.order_by(member.account_uuid)).scalars().first()
        values = {"leerid_uuid": plain.entropy.identifier()}
        db.execute(update(models.Pupil).where(models.Pupil.account_uuid == uuid).values(values))
        username = plain.account(db, uuid)
        app: apps.App = plain.app(db, secrets=(clients.digest(SECRET),))
        plain.rule(db, app.client_id, school)
    story = plain.Story(school=school, pupil=uuid, username=username, klas="", app=app)
    bench.registered_again()
    return bench.userinfo(bench.tokens(story)["access_token"]).json.get("ov_klassen")


def test_all_of_the_data_arrives_by_https_and_an_app_sees_the_classes(house, bench):
    for school, (pakket, source, _) in SCHOOLS.items():
        with house.database.transaction() as db:
            named = feed_clients.add(db, naam=pakket, pakket=pakket, now=house.clock.now())
        who = token(bench.browser, *named)
        done = put(bench.browser, who, source, school=school, formaat=pakket)
        assert (done.status_code, done.json["state"]) == (200, "applied"), done.text
        seen = told(bench, school)
        assert seen
        assert all(one["id"] for one in seen)
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
    for school in SCHOOLS:
        assert told(bench, school) is None


def test_all_of_the_data_arrives_by_the_folder_and_an_app_sees_the_classes(house, bench, tmp_path):
    for school, (form, source, name) in SCHOOLS.items():
        folder = tmp_path / "drop" / form / school
        folder.mkdir(parents=True)
        (folder / name).write_bytes(source)
    assert drop.take_in(house, tmp_path / "drop")["applied"] == 3
    for school in SCHOOLS:
        assert told(bench, school)


def blocks():
    return re.findall(r"```sh\n(.*?)```", PACKAGES, flags=re.DOTALL)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_examples_of_the_page_for_packages_work_as_pasted(tmp_path, key_folder, stopped, request):
    from tests.conftest import fresh_database

    with (
        fresh_database(request, "sqlite", tmp_path) as url,
        running(data=tmp_path, database_url=url, keys=key_folder, stopped=stopped) as house,
    ):
        make.schools(house)
        make.bring(house, make.DATA / "enrolments.csv")
        with house.database.transaction() as db:
            plain.agreement(db, "999001")
            wisa = feed_clients.add(db, naam="Wisa", pakket="wisa", now=stopped.now())
            weekly = feed_clients.add(db, naam="Week", pakket=None, now=stopped.now())
        shutil.copy(make.DATA / "directors.csv", tmp_path / "directors.csv")
        words, ask, pupils, deliver, became, directors = blocks()
        assert all(name in words for name in ("ISSUER=", "CLIENT_ID=", "CLIENT_SECRET=", "SCHOOL="))
        stamp = stopped.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        deliver = deliver.replace("$(date -u +%Y-%m-%dT%H:%M:%SZ)", stamp)  # our clock stands still

        def paste(named, *commands):
            client_id, secret = named
            before = f"ISSUER={house.settings.issuer}\nCLIENT_ID={client_id}\nCLIENT_SECRET={secret}\nSCHOOL=999001\n"
            done = subprocess.run(
                ["bash", "-euc", before + "".join(commands)], capture_output=True, text=True, cwd=tmp_path
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        listed = paste(wisa, ask, pupils)
        assert len(listed["leerlingen"]) == 500
        applied = paste(wisa, ask, deliver)
        assert applied["state"] == "applied", applied
        assert applied["counts"]["add"] == 1
        assert paste(wisa, ask, f"DELIVERY={applied['delivery']}\n", became)["state"] == "applied"
        assert paste(weekly, ask, directors)["state"] == "applied"
