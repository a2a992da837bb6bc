"""An installation makes its sandbox, keeps it good, and takes it away without a trace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from idp import apart, errors, models
from idp.admin.sandbox import sandbox_making, sandbox_removing, sandbox_school
from idp.admin.sandbox.sandbox_people import PUPILS, SCHOOLS, SHARING, STOPPED
from idp.claims import agreements, klasinformatie, visibility
from idp.login import accounts, sandbox_secrets
from idp.models import SecretKind
from idp.oidc import clients
from tests import make, make_tokens


def published(house):
    """What a maker of apps reads, by name in the sandbox."""
    with house.database.reading() as db:
        found = sandbox_school.pupils(db, house, house.clock.today())
    return {one.stamnummer.removeprefix("sb-"): one for one in found}


def opens(house, one):
    """Does the secret on the page open the account?"""
    with house.database.reading() as db:
        account = accounts.find(db, one.account_uuid, house.clock.today())
    return account.active and house.hasher.verify(account.stored, one.secret).right


def sharing(house):
    with house.database.reading() as db:
        return {school for school in SCHOOLS if agreements.shares_today(db, school, house.clock.today())}


def protocol(house):
    with house.database.transaction() as db:
        make.protocol(db)


def test_every_pupil_is_there_with_a_secret_that_works(house):
    protocol(house)
    made = sandbox_making.make(house)
    assert (made.schools, made.pupils, made.secrets, made.shares) == (3, len(PUPILS), len(PUPILS), True)
    found = published(house)
    assert {*found} == {one.username for one in PUPILS}
    assert all(opens(house, one) for one in found.values())
    assert all(apart.is_invented(one.account_uuid) for one in found.values())
    assert sharing(house) == {*SHARING}
    assert len(found["elis.meeuw"].schools) == 2
    assert found["zoe.vloed"].later == ("2B",)
    assert {one.kind for one in found.values()} == {*SecretKind}


def test_making_it_again_changes_nothing(house):
    protocol(house)
    sandbox_making.make(house)
    before = everything(house)
    made = sandbox_making.make(house)
    assert (made.schools, made.pupils, made.secrets, made.rules) == (0, 0, 0, 0)
    assert everything(house) == before


def everything(house):
    with house.database.reading() as db:
        return {
            table.name: sorted(map(str, db.execute(select(table)).all()))
            for table in models.Base.metadata.sorted_tables
        }


def test_without_a_protocol_text_nothing_is_shared_until_there_is_one(house):
    assert not sandbox_making.make(house).shares
    assert sharing(house) == set()
    protocol(house)
    assert sandbox_making.make(house).shares
    assert sharing(house) == {*SHARING}


def test_at_night_what_makers_of_apps_did_is_undone(house):
    protocol(house)
    sandbox_making.make(house)
    now, today = house.clock.now(), house.clock.today()
    with house.database.transaction() as db:
        sandbox_school.stop_sharing(db, "999902", now=now, today=today)
        sandbox_school.share_again(db, STOPPED, now=now, today=today)
        sandbox_school.turn_classes(db, "999901", back=False, now=now, today=today)
    jean = published(house)["jean.debranding"]
    stored = house.hasher.hash("een heel eigen wachtwoord")
    with house.database.transaction() as db:
        accounts.set_own_password(
            db, account_uuid=jean.account_uuid, stored=stored, now=now, settings=house.settings
        )
    changed = published(house)["jean.debranding"]
    assert (changed.secret, changed.kind) == (None, SecretKind.OWN)
    assert dict(sandbox_making.renew_nightly(house)) == {"secrets": 1, "rules": 0}
    assert sharing(house) == {*SHARING}
    found = published(house)
    assert opens(house, found["jean.debranding"])
    assert (found["zoe.vloed"].klassen, found["zoe.vloed"].later) == (("2A",), ("2B",))


def test_one_secret_is_given_back_at_once(house):
    sandbox_making.make(house)
    jean = published(house)["jean.debranding"]
    stored, now = house.hasher.hash("een heel eigen wachtwoord"), house.clock.now()
    with house.database.transaction() as db:
        accounts.set_own_password(
            db, account_uuid=jean.account_uuid, stored=stored, now=now, settings=house.settings
        )
    sandbox_making.put_back(house, "sb-jean.debranding")
    assert published(house)["jean.debranding"] == jean
    assert opens(house, jean)
    with pytest.raises(errors.NotFound, match="pupil_unknown"):
        sandbox_making.put_back(house, "sb-niemand")


@pytest.mark.parametrize("days", [1, 100, 281, 282, 365, 647])
def test_the_year_turns_and_enrolments_never_run_out(house, stopped, days):
    """The clock stands at 23 November 2026; 281 days later it is 31 August, at night it is 1 September."""
    protocol(house)
    sandbox_making.make(house)
    stopped.move(days=days)
    sandbox_making.renew_nightly(house)
    found = published(house)
    assert len(found) == len(PUPILS)
    assert all(opens(house, one) for one in found.values())
    assert sharing(house) == {*SHARING}
    with house.database.reading() as db:
        assert "2A" in [one.code for one in klasinformatie.listing(db, "999901", house.clock.today())]


def test_a_night_that_is_missed_at_the_turn_of_the_year_stops_nobody(house, stopped):
    sandbox_making.make(house)
    stopped.moment = datetime(2027, 8, 2, 1, tzinfo=UTC)
    sandbox_making.renew_nightly(house)
    stopped.moment = datetime(2027, 9, 20, 1, tzinfo=UTC)
    assert len(published(house)) == len(PUPILS)


def test_a_user_name_that_a_real_pupil_has_stays_that_pupils(house):
    with house.database.transaction() as db:
        school = make.school(db, kind=models.SchoolKind.REAL)
        real = make.pupil(db)
        make.enrolment(db, real, school, stamnummer="sb-noor.zandman")
        make.account(db, real, "noor.zandman")
    sandbox_making.make(house)
    noor = published(house)["noor.zandman"]
    assert noor.username == "noor.zandman2"
    assert noor.account_uuid != real
    assert opens(house, noor)
    with house.database.reading() as db:
        account = accounts.find(db, real, house.clock.today())
    assert account.username == "noor.zandman"
    assert not house.hasher.verify(account.stored, noor.secret).right


def test_what_is_removed_leaves_nothing_and_comes_back_the_same(house):
    protocol(house)
    with house.database.transaction() as db:
        db_app = make.app(db, sandbox=True)
        real = make.story(db)
    clean = everything(house)
    assert sandbox_making.make(house).rules == len(SCHOOLS)
    before = published(house)
    assert sandbox_making.remove(house) == len(PUPILS)
    left = {name: rows for name, rows in everything(house).items() if name not in sandbox_removing.KEPT}
    assert left == {name: rows for name, rows in clean.items() if name not in sandbox_removing.KEPT}
    assert published(house) == {}
    sandbox_making.make(house)
    assert published(house) == before
    assert real.pupil not in {one.account_uuid for one in before.values()}
    with house.database.reading() as db:
        assert len(visibility.listing(db, client_id=db_app.client_id)) == len(SCHOOLS)


def test_removing_ends_what_is_signed_in_so_that_apps_hear_of_it(house):
    sandbox_making.make(house)
    bench, noor = make_tokens.Bench(house), published(house)["noor.zandman"]
    with house.database.transaction() as db:
        uri = "https://app.example/uit"
        app = make.app(
            db, sandbox=True, backchannel_logout_uri=uri, secrets=(clients.digest(make_tokens.SECRET),)
        )
        sandbox_making.show(db, app, house.clock.now(), house.clock.today())
    story = make.Story(school="999901", pupil=noor.account_uuid, username=noor.username, klas="", app=app)
    held = bench.tokens(story)
    assert bench.userinfo(held["access_token"]).status_code == 200
    sandbox_making.remove(house)
    assert bench.userinfo(held["access_token"]).status_code == 401
    with house.database.reading() as db:
        waiting = select(func.count()).select_from(models.LogoutDelivery)
        assert db.execute(waiting).scalar_one() == 1


def test_a_demo_keeps_its_own_sandbox(house):
    demo = replace(house, settings=house.settings.model_copy(update={"demo": True}))
    for work in (sandbox_making.make, sandbox_making.remove):
        with pytest.raises(errors.NotAllowed, match="sandbox_of_a_demo"):
            work(demo)
    assert sandbox_making.renew_nightly(demo) == {}
    assert sandbox_making.renew_nightly(house) == {}, "nothing where there is none"


def test_a_sandbox_app_becomes_visible_at_night_and_a_real_one_never(house):
    sandbox_making.make(house)
    with house.database.transaction() as db:
        tried = make.app(db, sandbox=True)
        real = make.app(db)
        closed = make.app(db, sandbox=True, disabled_at=house.clock.now())
    sandbox_making.renew_nightly(house)
    with house.database.reading() as db:
        counts = [len(visibility.listing(db, client_id=one.client_id)) for one in (tried, real, closed)]
    assert counts == [len(SCHOOLS), 0, 0]


def test_the_published_secret_is_that_of_the_seed(house):
    sandbox_making.make(house)
    noor = published(house)["noor.zandman"]
    assert noor.secret == sandbox_secrets.secret(house.keys, "noor.zandman", SecretKind.PICTURE)
