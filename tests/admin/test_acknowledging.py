"""An operator says that they know of what the nightly look found: in the console, on the command line, and by a program."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from idp import audit, models
from idp.errands import patrol_book
from tests import make_commands, make_staff
from tests.security.test_operators_api import call, issued

PAGE = "/beheer/systeem"
REASON = "Schijf van 3 november, nagekeken door Mira"


@pytest.fixture
def found(house):
    """A row of the trail was edited, one of the ledger deleted, and the night found both."""
    place = patrol_book.Place(number=9, hash="0" * 64)
    troubles = (
        patrol_book.Trouble(trail="audit_event", seal=4, what="edited", rows=(2,), since="2026-11-20"),
        patrol_book.Trouble(trail="release", seal=7, what="deleted", rows=(1,), since="2026-11-21"),
    )
    with house.database.transaction() as db:
        for one in troubles:
            standing = patrol_book.Standing(
                trail=one.trail,
                newest=place,
                old=place,
                until=9,
                begun_at=house.clock.now(),
                troubles=(one,),
            )
            patrol_book.write(db, house.keys.marks, standing)
    return troubles


def known(house) -> list[tuple[str, str, str]]:
    with house.database.reading() as db:
        book = patrol_book.read(db, house.keys.marks)
    return [(one.name, said.by, said.reason) for one, said in book.known]


def acknowledge(house, *troubles: patrol_book.Trouble) -> str:
    """Somebody at a prompt did; when."""
    at = house.clock.now().isoformat()
    with house.database.transaction() as db:
        for one in troubles:
            said = patrol_book.Known(name=one.name, by="operator:cli", at=at, reason=REASON)
            assert patrol_book.acknowledge(db, house.keys.marks, said) == one
    return at


def events(house) -> list[tuple[str, str, dict[str, object]]]:
    """Who took what back."""
    table = models.AuditEvent
    with house.database.reading() as db:
        rows = db.execute(
            select(table.actor, table.object, table.details).where(table.event == "verify_alarmed_again")
        )
        return [tuple(row) for row in rows]


def test_in_the_console_with_a_reason_and_a_recent_proof(house, client, mira, found, stopped):
    first, second = found
    page = client.get(PAGE).text
    assert "Er staat niet meer wat er geschreven werd." in page
    short = make_staff.post(client, PAGE, geraakt=first.name, reden="<b>ja</b>")
    assert short.status_code == 400
    assert "Schrijf in 10 tot 500 tekens" in short.text
    assert 'value="&lt;b&gt;ja&lt;/b&gt;"' in short.text, "what was typed is still there"
    assert make_staff.post(client, PAGE, geraakt="0" * 12, reden=REASON).status_code == 404
    assert known(house) == []
    done = make_staff.post(client, PAGE, geraakt=first.name, reden=f" {REASON} ")
    assert done.headers["Location"].startswith(f"{PAGE}?bericht=gekend")
    assert known(house) == [(first.name, f"person:{mira.person_id}", REASON)]
    page = client.get(PAGE).text
    assert REASON in page
    assert "Er staat niet meer wat er geschreven werd." in page, "the other one is an alarm still"
    make_staff.post(client, PAGE, geraakt=second.name, reden=REASON)
    page = client.get(PAGE).text
    assert "Er staat niet meer wat er geschreven werd." not in page
    assert "is gekend." in page
    assert "Ik weet hiervan" not in page
    stopped.move(minutes=house.settings.staff_fresh_minutes + 1)
    late = client.post(PAGE, data={"geraakt": first.name, "reden": REASON})
    assert late.status_code in {303, 400}
    assert len(known(house)) == 2


def test_in_the_console_it_is_taken_back_and_is_an_alarm_again(house, client, mira, found, stopped):
    first, second = found
    at = acknowledge(house, first, second)
    page = client.get(PAGE).text
    assert "Toch niet gekend" in page
    assert "Er staat niet meer wat er geschreven werd." not in page
    stopped.move(minutes=house.settings.staff_fresh_minutes + 1)
    late = make_staff.post(client, PAGE, **{"toch-niet": first.name})
    assert late.headers["Location"].startswith("/personeel/bevestigen"), "a recent proof is asked for"
    assert len(known(house)) == 2
    make_staff.begin(client, house, mira)
    done = make_staff.post(client, PAGE, **{"toch-niet": first.name})
    assert done.headers["Location"].startswith(f"{PAGE}?bericht=alarm")
    assert [name for name, _by, _reason in known(house)] == [second.name]
    page = client.get(f"{PAGE}?bericht=alarm").text
    assert "Het is weer een alarm." in page
    assert "Er staat niet meer wat er geschreven werd." in page
    assert events(house) == [
        (
            f"person:{mira.person_id}",
            "trail:audit_event",
            {
                "seal": 4,
                "what": "edited",
                "count": 1,
                "trouble": first.name,
                "known_by": "operator:cli",
                "known_at": at,
            },
        )
    ]
    for name in (first.name, "0" * 12, ""):
        gone = make_staff.post(client, PAGE, **{"toch-niet": name})
        assert gone.status_code == 404
        assert "Dit is niet (meer) gekend." in gone.text
    assert len(events(house)) == 1, "what was not known is not taken back"


def test_on_the_command_line(house, found, tmp_path):
    first, second = found
    run = make_commands.at_a_prompt(house, tmp_path)
    assert first.name in run("audit", "night", code=1).stdout
    assert "a reason of 10" in run("audit", "acknowledge", first.name, "--reason", "x", code=1).stderr
    assert "nothing" in run("audit", "acknowledge", "0" * 12, "--reason", REASON, code=1).stderr
    said = run("audit", "acknowledge", first.name, "--reason", REASON).stdout
    assert said == "audit_event seal 4: edited row 2: known since 2026-11-20, acknowledged by operator:cli\n"
    assert "NOT in order" in run("audit", "night", code=1).stderr
    run("audit", "acknowledge", second.name, "--reason", REASON)
    told = run("audit", "night").stdout
    assert REASON in told
    assert told.endswith("in order, but for what is known\n")
    shown = json.loads(run("audit", "night", "--json").stdout)
    assert shown["good"]
    acknowledged = [one["acknowledged"]["by"] for trail in shown["trails"] for one in trail["troubles"]]
    assert acknowledged == ["operator:cli"] * 2
    said = run("audit", "take-back", first.name).stdout
    assert said == "audit_event seal 4: edited row 2: an alarm again, as since 2026-11-20\n"
    assert "acknowledgement_unknown" in run("audit", "take-back", first.name, code=1).stderr
    assert "NOT in order" in run("audit", "night", code=1).stderr
    assert [name for name, _by, _reason in known(house)] == [second.name]


def test_by_a_program_with_a_scope_of_its_own(house, client, found):
    first, _second = found
    reads, writes = issued(house, "audit.read"), issued(house, "audit.write")
    told = call(client, reads, "GET", "/verify").json
    assert (told["good"], [one["acknowledged"] for one in told["items"]]) == (False, [None, None])
    where = f"/verify/{first.name}/acknowledgement"
    assert call(client, reads, "POST", where, json={"reason": REASON}).status_code == 403
    assert call(client, writes, "POST", where, json={"reason": "short"}).status_code == 400
    assert call(client, writes, "POST", where, json={"reason": " " * 20}).status_code == 400
    nowhere = call(client, writes, "POST", f"/verify/{'0' * 12}/acknowledgement", json={"reason": REASON})
    assert (nowhere.status_code, nowhere.json["code"]) == (404, "trouble_unknown")
    done = call(client, writes, "POST", where, json={"reason": REASON})
    assert (done.status_code, done.json["acknowledged"]["reason"]) == (200, REASON)
    with house.database.reading() as db:
        mine = select(models.AuditEvent).where(models.AuditEvent.event == "verify_acknowledged")
        (event,) = db.execute(mine).mappings()
    assert event["actor"].startswith("operator-token:")
    assert REASON not in json.dumps(event["details"]), "codes and counts only"
    items = call(client, reads, "GET", "/verify").json["items"]
    assert [bool(one["acknowledged"]) for one in items] == [False, True], "alarms come first"
    assert call(client, reads, "DELETE", where).status_code == 403
    back = call(client, writes, "DELETE", where)
    assert (back.status_code, back.json["trouble"], back.json["acknowledged"]) == (200, first.name, None)
    items = call(client, reads, "GET", "/verify").json["items"]
    assert [one["acknowledged"] for one in items] == [None, None]
    ((actor, _object, details),) = events(house)
    assert actor.startswith("operator-token:")
    assert details["known_by"] == event["actor"]
    again = call(client, writes, "DELETE", where)
    assert (again.status_code, again.json["code"]) == (404, "acknowledgement_unknown")


def test_a_row_of_the_version_before_is_read_and_one_of_ours_by_it(house, found):
    """It knows `found` only, and reads and writes nothing else."""
    with audit.acting("person:mira"), house.database.transaction() as db:
        said = patrol_book.Known(
            name=found[0].name, by="person:mira", at="2026-11-23T09:00:00+00:00", reason=REASON
        )
        assert patrol_book.acknowledge(db, house.keys.marks, said) == found[0]
    with house.database.reading() as db:
        rows = db.execute(select(models.Patrol.trail, models.Patrol.troubles)).all()
    kept = {row.trail: row.troubles for row in rows}
    assert {*kept["release"]} == {"found"}, "as it always was where nothing is acknowledged"
    fields = {"trail", "seal", "what", "rows", "ids", "count", "since", "expected"}
    assert {*kept["audit_event"]["found"][0]} == fields
