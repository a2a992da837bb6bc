"""How does a list behave? Pages, what changed and what went, words of errors, tokens, and what stands in the ledger."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from idp import clock, models
from idp.errors import Busy
from idp.rosters import again, endpoints, shapes, stock
from tests import make
from tests.make_reading import stands
from tests.make_roster import ACTIVE_AND_GONE, Rosters

COLLECTIONS = ("orgs", "users", "classes", "enrollments")


@pytest.fixture
def bench(house):
    return Rosters(house)


def names(items):
    return [one["sourcedId"] for one in items]


def minor(answer):
    return answer.json["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]


# ---------------------------------------------------------------- who may ask


def test_API_09_JWT_07_only_a_live_token_of_the_app_itself_opens_a_list(bench):
    story = bench.story()
    own = bench.own_token(story.app.client_id)
    given = bench.tokens(story)
    wrong = {"nothing": None, "id token": given["id_token"], "rubbish": "lsa_00", "basic": own}
    for kind, token in wrong.items():
        scheme = "Basic" if kind == "basic" else "Bearer"
        headers = {"Authorization": f"{scheme} {token}"} if token else {}
        answer = bench.browser.get(f"{shapes.BASE}/users", headers=headers)
        assert (answer.status_code, minor(answer)) == (401, "unauthorisedrequest"), kind
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
        assert ("error=" in answer.headers["WWW-Authenticate"]) == (kind in {"id token", "rubbish"})
    assert bench.browser.get(f"{shapes.BASE}/users", query_string={"access_token": own}).status_code == 401
    answer = bench.browser.get(
        f"{shapes.BASE}/users", headers={"Authorization": f"Bearer {given['access_token']}"}
    )
    assert answer.status_code == 403, "a token of a sign-in is about one pupil"
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert shapes.SCOPE in answer.headers["WWW-Authenticate"]
    bench.house.clock.move(minutes=bench.house.settings.access_token_minutes, seconds=1)
    late = bench.browser.get(f"{shapes.BASE}/users", headers={"Authorization": f"Bearer {own}"})
    assert late.status_code == 401
    assert bench.ledger() == []


def test_an_app_that_lost_the_scope_or_was_disabled_reads_nothing_with_the_token_it_has(bench):
    story = bench.story()
    client_id = story.app.client_id
    assert len(bench.items(client_id, "users")) == 1
    row = models.App.client_id == client_id
    registration = bench.rows(select(models.App.registration).where(row))[0][0]
    bench.change(update(models.App).where(row).values(registration=registration | {"scope": make.ALL_SCOPES}))
    bench.registered_again()
    assert bench.get(client_id, "users").status_code == 403
    bench.change(update(models.App).where(row).values(disabled_at=bench.house.clock.now()))
    bench.registered_again()
    assert bench.get(client_id, "users").status_code == 401


def test_an_app_that_asks_without_end_is_told_to_wait(bench):
    story = bench.story()
    bench.get(story.app.client_id, "users")
    for _ in range(endpoints.MANY - 1):
        endpoints._asked.add((id(bench.house.database), story.app.client_id), bench.house.clock.now())
    answer = bench.get(story.app.client_id, "users")
    assert (answer.status_code, minor(answer)) == (429, "server_busy")
    assert answer.headers["Retry-After"] == "600"
    bench.house.clock.move(minutes=11)
    assert bench.get(story.app.client_id, "users").status_code == 200


# ---------------------------------------------------------------- asking the same again and again


@pytest.fixture
def usual(house):
    """With the settings as they come, but for fewer beginnings."""
    return Rosters(house, roster_fresh_seconds=10, roster_begins_minute=3)


def looks(bench):
    return [row.round for row in bench.rows(select(models.RosterStock.round))]


def test_a_list_that_was_looked_at_just_now_is_not_looked_at_again(house):
    usual = Rosters(house, roster_fresh_seconds=10)
    story = usual.story()
    client_id, clock = story.app.client_id, usual.house.clock
    assert len(usual.items(client_id, "users")) == 1
    gone = usual.classmate(story)
    usual.classmate(story)
    for path in ("users", "classes", "enrollments", f"schools/{story.school}/students"):
        usual.items(client_id, path)
    for number in range(30):
        assert usual.get(client_id, f"users/{number}").status_code == 404
    assert looks(usual) == [1], "and nothing that an app makes up is a look either"
    clock.move(seconds=10)
    assert len(usual.items(client_id, "users")) == 3
    assert looks(usual) == [2]
    of = models.Account.account_uuid == gone
    usual.change(update(models.Account).where(of).values(blocked_at=clock.now()))
    answer = usual.get(client_id, "users")
    assert (len(answer.json["users"]), looks(usual)) == (2, [2]), "what closed is left out without a look"
    assert answer.headers["X-Total-Count"] == "3", "the count is of the look"
    clock.move(seconds=10)
    assert usual.get(client_id, "users").headers["X-Total-Count"] == "2"


class Slow(clock.Stopped):
    """Whatever is measured takes a second and a half, or more."""

    def monotonic(self):
        self.asked = getattr(self, "asked", 0) + 1
        return 1.5 * self.asked


@pytest.mark.parametrize(("kind", "least", "most"), [(clock.Stopped, 20, 20), (Slow, 1, 3)])
def test_looks_that_take_long_rest_but_for_what_is_an_hour_old(house, kind, least, most):
    usual = Rosters(replace(house, clock=kind(house.clock.now())), roster_fresh_seconds=1)
    story = usual.story()
    client_id, moments = story.app.client_id, usual.house.clock
    for number in range(20):
        usual.get(client_id, f"users/{number}")
        moments.move(seconds=1)
    (before,) = looks(usual)
    assert least <= before <= most
    with usual.house.database.transaction() as db:
        make.rule(db, client_id, make.school(db))
    usual.items(client_id, "users")
    assert 1 in looks(usual), "what was never looked at does not rest"
    moments.move(hours=1)
    usual.items(client_id, "users")
    assert 1 not in looks(usual)


def test_looks_rest_four_times_as_long_as_they_took(usual):
    story, other = usual.story(), usual.story()
    house, now = usual.house, usual.house.clock.now()
    again.looked(house, story.app, 0.9, now)
    assert not again.looks_rest(house, story.app, now), "short ones need no rest"
    again.looked(house, story.app, 2.0, now)
    late = [again.looks_rest(house, story.app, now + timedelta(seconds=after)) for after in (0, 9, 11)]
    assert late == [True, True, False], "two seconds of looking, and eight of rest"
    assert not again.looks_rest(house, other.app, now)


def test_the_same_list_from_its_beginning_without_end_is_told_to_wait(usual):
    story, other = usual.story(), usual.story()
    client_id, clock = story.app.client_id, usual.house.clock
    for _ in range(5):
        usual.classmate(story)
    for _ in range(3):
        first = usual.get(client_id, "users", limit=2)
        assert first.status_code == 200
        clock.move(seconds=10)
    told = len(usual.ledger())
    answer = usual.get(client_id, "users", limit=2)
    assert (answer.status_code, minor(answer), answer.headers["Retry-After"]) == (429, "server_busy", "30")
    assert "If-None-Match" in answer.json["imsx_description"]
    assert len(usual.ledger()) == told
    tag = {"If-None-Match": first.headers["ETag"]}
    assert usual.get(client_id, "users", limit=2, headers=tag).status_code == 304
    star = usual.get(client_id, "users", limit=2, headers={"If-None-Match": "*"})
    assert star.status_code == 429, "it names no page"
    link = first.headers["Link"].partition("<")[2].partition(">")[0]
    for _ in range(5):
        answer = usual.get(client_id, link.removeprefix(usual.house.settings.issuer))
        assert answer.status_code == 200, "later pages begin nothing"
    assert usual.get(client_id, "classes").status_code == 200, "another list"
    assert usual.get(other.app.client_id, "users", limit=2).status_code == 200, "another app"
    clock.move(seconds=30)
    assert usual.get(client_id, "users", limit=2).status_code == 200


def test_every_process_counts_the_same_beginnings(usual):
    story = usual.story()
    second = Rosters(usual.house, keys=False, roster_begins_minute=3)
    answers = [one.get(story.app.client_id, "users").status_code for one in (usual, second) * 2]
    assert answers == [200, 200, 200, 429]


def test_a_file_again_and_again_is_told_to_wait(usual):
    story = usual.story()
    answers = [usual.get(story.app.client_id, endpoints.ZIP) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "60"


# ---------------------------------------------------------------- pages


def test_pages_by_link_and_by_offset_have_everybody_once(bench):
    story = bench.story()
    client_id = story.app.client_id
    for _ in range(6):
        bench.classmate(story)
    by_link = [names(page) for page in bench.pages(client_id, "users", limit=3)]
    assert [len(page) for page in by_link] == [3, 3, 1]
    by_offset = [names(bench.items(client_id, "users", limit=3, offset=offset)) for offset in (0, 3, 6)]
    assert by_link == by_offset
    everybody = [*itertools.chain(*by_link)]
    assert everybody == sorted(set(everybody))
    answer = bench.get(client_id, "users", limit=3, offset=3)
    assert answer.headers["X-Total-Count"] == "7"
    assert {part.split("rel=")[1] for part in answer.headers["Link"].split(", ")} == {
        '"next"', '"first"', '"last"', '"prev"',
    }  # fmt: skip
    backwards = bench.items(client_id, "users", orderBy="desc", limit=7)
    assert names(backwards) == everybody[::-1]


def test_somebody_who_goes_between_two_pages_makes_nobody_fall_out(bench):
    story = bench.story()
    client_id = story.app.client_id
    others = [bench.classmate(story) for _ in range(5)]
    told, everybody = [], set(names(bench.items(client_id, "users")))
    gone = None
    for page in bench.pages(client_id, "users", limit=2):
        told += names(page)
        if gone is None:
            first = page[0]["sourcedId"]
            (gone,) = bench.rows(select(models.AppPupil.account_uuid).where(models.AppPupil.sub == first))[0]
            of = models.Account.account_uuid == gone
            bench.change(update(models.Account).where(of).values(blocked_at=bench.house.clock.now()))
    assert set(told) == everybody
    assert gone in {*others, story.pupil}
    assert len(bench.items(client_id, "users")) == 5


def test_a_gate_that_closes_between_two_pages_is_closed_on_the_next_one(bench):
    story = bench.story()
    client_id = story.app.client_id
    for _ in range(3):
        bench.classmate(story)
    pages = bench.pages(client_id, "enrollments", limit=2)
    assert len(next(pages)) == 2
    bench.change(update(models.Agreement).values(stopped_at=bench.house.clock.now()))
    assert list(pages) == [[]]


def test_fields_are_the_ones_asked_and_the_ledger_knows(bench):
    story = bench.story()
    client_id = story.app.client_id
    (user,) = bench.items(client_id, "users", fields="sourcedId,familyName")
    assert user.keys() == {"sourcedId", "familyName"}
    (row,) = bench.ledger()
    told = {claim for claim, word in row.claims.items() if word == "released"}
    assert told == {"sub", "ov_orgcode", "family_name"}
    (klas,) = bench.items(client_id, "classes", fields="title")
    assert klas == {"title": "Klas 3A"}
    alone = bench.get(client_id, f"schools/{story.school}", fields="name").json
    assert alone == {"org": {"name": "Basisschool De Wijzer"}}
    wrong = bench.get(client_id, "users", fields="email")
    assert (wrong.status_code, minor(wrong)) == (400, "invalid_selection_field")


def test_nothing_that_is_never_told_has_a_field(bench):
    story = bench.story()
    (user,) = bench.items(story.app.client_id, "users")
    assert user["username"] == user["sourcedId"], "not the name to sign in with"
    assert story.username not in bench.get(story.app.client_id, "users").text
    never = {"password", "email", "phone", "sms", "agents", "birthDate", "sex", "identifier"}
    assert not never & {*user, *shapes.FIELDS["users"]}
    for path in ("demographics", "guardians", "parents", "lineItems"):
        assert bench.get(story.app.client_id, path).status_code == 404


def test_what_we_do_not_know_is_empty_and_what_we_made_refers_to_what_is_there(bench):
    story = bench.story()
    client_id = story.app.client_id
    assert bench.items(client_id, "teachers") == bench.items(client_id, "gradingPeriods") == []
    assert bench.get(client_id, "teachers/anybody").status_code == 404
    (klas,) = bench.items(client_id, "classes")
    for field in ("course", "school"):
        where = klas[field]["href"].removeprefix(bench.house.settings.issuer)
        assert bench.get(client_id, where).status_code == 200
    term = bench.get(client_id, f"academicSessions/{klas['terms'][0]['sourcedId']}").json["academicSession"]
    assert (term["type"], term["startDate"], term["endDate"]) == ("term", "2026-09-01", "2027-09-01")
    assert names(bench.items(client_id, "courses")) == [f"{story.school}-klas", f"{story.school}-subklas"]
    assert len(bench.items(client_id, "courses", filter="sourcedId!='x'", limit=1, offset=1)) == 1
    assert bench.items(client_id, "terms", filter="dateLastModified>'2026-09-02'") == []


def test_lists_inside_others_have_what_belongs_there(bench):
    story = bench.story()
    client_id = story.app.client_id
    with bench.house.database.transaction() as db:
        other = make.klas(db, story.school, "3A1", soort=models.Soort.SUBKLAS)
        make.membership(db, other, story.pupil)
    bench.classmate(story)
    classes = {one["classCode"]: one["sourcedId"] for one in bench.items(client_id, "classes")}
    assert len(bench.items(client_id, f"classes/{classes['3A']}/students")) == 2
    (both,) = bench.items(client_id, f"classes/{classes['3A1']}/students")
    theirs = bench.items(client_id, f"students/{both['sourcedId']}/classes")
    assert {one["classCode"] for one in theirs} == {"3A", "3A1"}
    (sub,) = bench.items(client_id, f"courses/{story.school}-subklas/classes")
    assert (sub["classCode"], sub["classType"]) == ("3A1", "scheduled")
    assert len(bench.items(client_id, "terms/2026-2027-jaar/classes")) == 2
    inside = f"schools/{story.school}/classes/{classes['3A1']}"
    assert len(bench.items(client_id, f"{inside}/students")) == 1
    (sits,) = bench.items(client_id, f"{inside}/enrollments")
    assert (sits["user"]["sourcedId"], sits["class"]["sourcedId"]) == (both["sourcedId"], sub["sourcedId"])
    assert bench.items(client_id, f"{inside}/teachers") == []
    for path in (
        "users/x/enrollments",
        "orgs/x/classes",
        "terms/x/classes",
        f"classes/{sub['sourcedId']}/courses",
    ):
        assert bench.get(client_id, path).status_code == 404
    row = bench.ledger()[-1]
    assert row.claims["ov_klassen"] == "released"


@pytest.mark.parametrize("way", ["", "W/"], ids=["as it was", "packed by a proxy"])
def test_an_answer_that_did_not_change_is_not_told_twice(bench, way):
    story = bench.story()
    first = bench.get(story.app.client_id, "users")
    count = len(bench.ledger())
    again = bench.get(story.app.client_id, "users", headers={"If-None-Match": way + first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["X-Total-Count"] == "1"
    assert len(bench.ledger()) == count, "nothing was told"
    assert "private" in first.headers["Cache-Control"]
    bench.classmate(story)
    changed = bench.get(story.app.client_id, "users", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_nothing_can_be_guessed_of_a_list_that_is_not_told(bench):
    """Without a line in the ledger: who takes any answer as known gets it told, and no tag is a digest to try names on."""
    story = bench.story()
    count = len(bench.ledger())
    told = bench.get(story.app.client_id, "users", headers={"If-None-Match": "*"})
    assert told.status_code == 200
    assert len(bench.ledger()) == count + 1
    tag = told.headers["ETag"].strip('"')
    assert not hashlib.sha256(told.data).hexdigest().startswith(tag)


# ---------------------------------------------------------------- what changed, and what went


def test_what_changed_since_a_moment_is_told_and_nothing_else(bench):
    story = bench.story()
    client_id, clock = story.app.client_id, bench.house.clock
    other = bench.classmate(story)
    before = {path: names(bench.items(client_id, path)) for path in COLLECTIONS}
    clock.move(minutes=10)
    since = f"dateLastModified>'{shapes.moment(clock.now() - timedelta(minutes=5))}'"
    for path in COLLECTIONS:
        assert bench.items(client_id, path, filter=since) == []
    bench.change(
        update(models.Enrolment).where(models.Enrolment.account_uuid == other).values(voornaam="Łucja")
    )
    bench.change(update(models.Klas).values(naam="De vossen"))
    (user,) = bench.items(client_id, "users", filter=since)
    assert user["givenName"] == "Łucja"
    (klas,) = bench.items(client_id, "classes", filter=since)
    assert (klas["title"], klas["sourcedId"]) == ("De vossen", before["classes"][0])
    assert bench.items(client_id, "enrollments", filter=since) == [], "they sit where they sat"
    assert {path: names(bench.items(client_id, path)) for path in COLLECTIONS} == before


def test_what_went_is_a_tombstone_of_an_identifier_and_comes_back_under_it(bench):
    story = bench.story()
    client_id, clock = story.app.client_id, bench.house.clock
    before = {path: names(bench.items(client_id, path)) for path in COLLECTIONS}
    clock.move(hours=1)
    bench.change(delete(models.VisibilityRule))
    for path in COLLECTIONS:
        assert bench.items(client_id, path) == []
        (gone,) = bench.items(client_id, path, filter="status='tobedeleted'")
        moment = shapes.moment(clock.now())
        assert gone == {"sourcedId": before[path][0], "status": "tobedeleted", "dateLastModified": moment}
        assert bench.items(client_id, path, filter="status='active'") == []
        assert bench.get(client_id, path, filter=ACTIVE_AND_GONE).headers["X-Total-Count"] == "1"
    refs = bench.rows(select(models.RosterEntry.ref, models.RosterEntry.digest))
    assert {tuple(row) for row in refs} == {(None, "")}, "only what the app calls it is left"
    clock.move(hours=1)
    with bench.house.database.transaction() as db:
        make.rule(db, client_id, story.school)
    assert {path: names(bench.items(client_id, path)) for path in COLLECTIONS} == before
    assert bench.items(client_id, "users", filter="status='tobedeleted'") == []


def test_tombstones_stay_ninety_days_at_least_and_then_go(bench):
    story = bench.story()
    client_id, clock = story.app.client_id, bench.house.clock
    bench.items(client_id, "users")
    bench.change(delete(models.VisibilityRule))
    bench.items(client_id, "users")
    for days, there in ((91, 1), (9, 1), (1, 0)):
        clock.move(days=days)
        stock.take_all(bench.house)
        gone = bench.items(client_id, "users", filter="status='tobedeleted'")
        assert len(gone) == there, clock.now()


def test_of_an_app_that_never_asks_again_nothing_is_kept(bench):
    story = bench.story()
    bench.items(story.app.client_id, "users")
    bench.house.clock.move(days=101)
    assert stock.take_all(bench.house)["forgotten"] > 0
    for table in (models.RosterEntry, models.RosterStock):
        assert bench.rows(select(func.count()).select_from(table))[0][0] == 0


def test_the_nightly_look_finds_what_closed_and_keeps_no_pupil_behind_it(bench):
    story = bench.story()
    bench.items(story.app.client_id, "users")
    bench.house.clock.move(days=1)
    bench.change(update(models.Agreement).values(stopped_at=bench.house.clock.now()))
    assert stock.take_all(bench.house) == {"schools": 1, "changes": 3, "forgotten": 0}
    kept = bench.rows(select(models.RosterEntry.kind, models.RosterEntry.ref, models.RosterEntry.gone))
    assert {row.kind: row.gone for row in kept} == {
        models.RosterKind.ORG: False,
        models.RosterKind.USER: False,
        models.RosterKind.CLASS: True,
        models.RosterKind.ENROLLMENT: True,
    }
    assert all(row.ref is None for row in kept if row.gone)


def test_LEAK_no_name_and_no_class_is_kept_of_a_list(bench):
    story = bench.story()
    for path in COLLECTIONS:
        bench.items(story.app.client_id, path)
    rows = [*bench.rows(select(models.RosterEntry)), *bench.ledger()]
    for word in ("Gaston", "Logie", "3A", "derde", "De Wijzer"):
        assert not stands(word, rows)


def test_two_workers_that_look_at_the_same_moment_make_one_list(bench):
    story = bench.story()
    with bench.house.database.reading() as db:
        (due,) = stock.due(db, story.app, bench.house.clock.today())
    now = bench.house.clock.now()
    assert stock.take(bench.house, story.app, due, now=now, asked=True) == 4
    assert stock.take(bench.house, story.app, due, now=now, asked=True) == 0, "it was looked at meanwhile"
    bench.classmate(story)
    with bench.house.database.reading() as db:
        (due,) = stock.due(db, story.app, bench.house.clock.today())
    assert stock.take(bench.house, story.app, due, now=now, asked=True) == 2
    assert stock.take(bench.house, story.app, due, now=now, asked=True) == 0
    assert len(bench.items(story.app.client_id, "users")) == 2


def test_an_app_with_more_schools_than_there_is_time_for_gets_further_at_every_try(bench):
    story = bench.story()
    with bench.house.database.transaction() as db:
        for _ in range(3):
            make.rule(db, story.app.client_id, make.school(db))
    words = {"now": bench.house.clock.now(), "seconds": -1.0}
    for _ in range(3):
        with pytest.raises(Busy):
            stock.refresh(bench.house, story.app, **words)
    for _ in range(2):
        stock.refresh(bench.house, story.app, **words)
    rounds = bench.rows(select(models.RosterStock.round))
    assert sorted(row.round for row in rounds) == [1, 1, 1, 2], "first those that nobody looked at"


@pytest.mark.parametrize("path", ["users", "classes", "enrollments"])
def test_how_long_a_page_is_changes_nothing_about_how_many_statements_it_takes(bench, path):
    story = bench.story()
    client_id = story.app.client_id
    for _ in range(11):
        bench.classmate(story)
    bench.items(client_id, path)
    said = bench.statements()
    counts = []
    for limit in (2, 10):
        said.clear()
        bench.items(client_id, path, limit=limit, offset=1)
        counts.append(len(said))
    assert counts[0] == counts[1] <= 9, said
