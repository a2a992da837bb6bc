"""Every app that knew the session hears that it ended: once, signed, and again until it arrives."""

from __future__ import annotations

import ast
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import import_key
from sqlalchemy import select, update

import idp
from idp import clock, context, entropy, models
from idp.claims import pseudonym
from idp.errands import job_worker, jobs, leases
from idp.fetching import Fetched, NotFetched
from idp.login import sessions
from idp.oidc import backchannel, clients, logout, signing
from tests import make, make_devices
from tests.make_tokens import SECRET, Bench

URI = "https://rekenbuur.example/logout"


@pytest.fixture
def bench(house):
    return Bench(house)


@pytest.fixture
def story(bench):
    return bench.story(backchannel_logout_uri=URI, backchannel_logout_session_required=True)


class Door:
    """The back door of apps: remembers what came, answers as told."""

    def __init__(self, status: int = 200, because: str = "") -> None:
        self.status, self.because = status, because
        self.came: list[tuple[str, str]] = []

    def __call__(self, uri, form):
        assert set(form) == {"logout_token"}
        self.came.append((uri, form["logout_token"]))
        if self.because:
            raise NotFetched(self.because)
        return Fetched(status=self.status, headers={}, body=b"")


def signed_in(bench, story, **request):
    """A session in which the app of this story got tokens."""
    session = bench.sign_in(story)
    bench.tokens(story, session, **request)
    return session


def end(house, session, because="signed_out"):
    with house.database.transaction() as db:
        sessions.end(db, session.sid, because, house.clock.now())


def waiting(bench):
    return bench.rows(select(models.LogoutDelivery.__table__))


def claims_of(bench, token):
    published = orjson.loads(signing.jwks(bench.house).body)["keys"]
    kid = jws.extract_compact(token.encode()).headers()["kid"]
    key = import_key(next(key for key in published if key["kid"] == kid))
    read = jws.deserialize_compact(token, key, algorithms=["RS256", "ES256"])
    return read.headers(), orjson.loads(read.payload)


# ---------------------------------------------------------------- what is sent


def test_LOGO_10_a_logout_token_says_what_the_specification_asks_and_no_more(bench, story):
    session = signed_in(bench, story)
    end(bench.house, session)
    door = Door()
    assert backchannel.deliver(bench.house, post=door) == 1
    [(uri, token)] = door.came
    header, claims = claims_of(bench, token)
    now = int(bench.house.clock.now().timestamp())
    assert (uri, header["typ"], header["alg"]) == (URI, "logout+jwt", "RS256")
    sub = bench.rows(select(models.AppPupil.sub))[0].sub
    assert claims.pop("jti")
    assert claims == {
        "iss": bench.house.settings.issuer,
        "aud": story.app.client_id,
        "iat": now,
        "exp": now + 120,
        "sub": sub,
        "sid": pseudonym.sid_for(bench.house.keys, story.app.client_id, session.sid),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


def test_two_apps_cannot_lay_their_pupils_side_by_side_by_the_session(bench, story):
    """Each has a name of its own for it, the same in its ID tokens and its logout token; nobody else's works as a hint."""
    with bench.house.database.transaction() as db:
        app = make.app(
            db,
            client_id="leesland",
            sector="leesland.example",
            secrets=(clients.digest(SECRET),),
            backchannel_logout_uri=URI,
        )
        make.rule(db, app.client_id, story.school)
    other, session = replace(story, app=app), bench.sign_in(story)
    named, hints = {}, {}
    for one in (story, other):
        given = bench.tokens(one, session, scope="openid offline_access")
        again = bench.refresh(one, given["refresh_token"]).json
        hints[one.app.client_id] = bench.id_token(given["id_token"])[1]
        named[one.app.client_id] = hints[one.app.client_id]["sid"]
        assert bench.id_token(again["id_token"])[1]["sid"] == named[one.app.client_id]
    assert len({*named.values(), session.sid}) == 3
    for client_id, claims in hints.items():
        asked = logout.read(
            [("id_token_hint", "x")], find_app=bench.house.apps.find, verify=lambda _, c=claims: c
        )
        assert asked.certain(bench.house.keys, session), client_id
    stolen = hints["leesland"] | {"aud": story.app.client_id}
    asked = logout.read([("id_token_hint", "x")], find_app=bench.house.apps.find, verify=lambda _: stolen)
    assert not asked.certain(bench.house.keys, session)
    end(bench.house, session)
    door = Door()
    backchannel.deliver(bench.house, post=door)
    told = [claims_of(bench, token)[1] for _, token in door.came]
    assert {one["aud"]: one["sid"] for one in told} == named


def test_a_session_that_an_earlier_version_began_keeps_the_name_that_apps_know(house):
    before, now = entropy.identifier(), entropy.row_id()
    assert pseudonym.sid_for(house.keys, "app", before) == before
    assert pseudonym.sid_for(house.keys, "app", now) not in {now, pseudonym.sid_for(house.keys, "other", now)}


def test_a_logout_token_is_no_hint_and_no_ID_token(bench, story):
    end(bench.house, signed_in(bench, story))
    door = Door()
    backchannel.deliver(bench.house, post=door)
    assert signing.verify(bench.house, door.came[0][1]) is None


def test_an_app_that_signs_with_another_algorithm_gets_that_one(bench):
    story = bench.story(backchannel_logout_uri=URI, id_token_signed_response_alg="ES256")
    end(bench.house, signed_in(bench, story))
    door = Door()
    backchannel.deliver(bench.house, post=door)
    assert claims_of(bench, door.came[0][1])[0]["alg"] == "ES256"


def test_every_try_has_a_token_of_its_own(bench, story):
    end(bench.house, signed_in(bench, story))
    door = Door(status=500)
    backchannel.deliver(bench.house, post=door)
    bench.house.clock.move(seconds=11)
    backchannel.deliver(bench.house, post=door)
    first, second = (claims_of(bench, token)[1] for _, token in door.came)
    assert first["jti"] != second["jti"]
    assert second["exp"] - first["exp"] == 11


# ---------------------------------------------------------------- to whom


def test_only_apps_that_got_tokens_in_this_session_hear_of_it(bench, story):
    session = signed_in(bench, story)
    with bench.house.database.transaction() as db:
        silent = make.app(db)
        never = make.app(db, backchannel_logout_uri=URI)
    bench.registered_again()
    second = replace(story, app=silent)
    bench.code(replace(story, app=never), session)
    bench.code(second, session)
    elsewhere = signed_in(bench, story)
    end(bench.house, session)
    assert [(one.sid, one.client_id) for one in waiting(bench)] == [(session.sid, story.app.client_id)]
    end(bench.house, elsewhere)
    assert len(waiting(bench)) == 2


def test_two_sign_ins_at_one_app_in_one_session_are_one_message(bench, story):
    session = signed_in(bench, story)
    bench.tokens(story, session)
    end(bench.house, session)
    assert len(waiting(bench)) == 1


def test_ending_a_session_twice_is_one_message(bench, story):
    session = signed_in(bench, story)
    end(bench.house, session)
    end(bench.house, session)
    backchannel.deliver(bench.house, post=Door())
    end(bench.house, session)
    assert [one.state for one in waiting(bench)] == [models.ErrandState.DELIVERED]


@pytest.mark.parametrize(
    "way", ["by the app", "reset", "own password", "too many", "expired", "account", "everyone"]
)
def test_however_a_session_ends_the_apps_hear_of_it(bench, story, way):
    house, session = bench.house, signed_in(bench, story)
    now = house.clock.now()
    match way:
        case "by the app":
            logout.end(house, session)
        case "reset":
            with house.database.transaction() as db:
                assert sessions.end_all(db, story.pupil, "secret_renewed", now, grants=True) == (session.sid,)
        case "own password":
            with house.database.transaction() as db:
                sessions.after_own_password(db, house, account_uuid=story.pupil, shared=False, now=now)
        case "too many":
            for _ in range(house.settings.sessions_per_pupil):
                house.clock.move(seconds=1)
                bench.sign_in(story)
        case "expired":
            house.clock.move(hours=house.settings.session_hours, seconds=1)
            assert jobs.end_expired(house)["ended"] == 1
        case "everyone":
            device = make_devices.device(house, story.school)
            with house.database.transaction() as db:
                db.execute(update(models.Session).values(class_device=device.id))
                ours = models.ClassDevice.instellingsnummer == story.school
                assert sessions.end_on_devices(db, ours, "everyone_done", now) == 1
        case "account":
            with house.database.transaction() as db:
                sessions.end(db, session.sid, "inactive", now)
    assert [one.sid for one in waiting(bench)] == [session.sid]


def test_one_statement_of_the_house_ends_sessions_and_one_function_carries_it_out():
    """Whoever ends sessions in another way would leave apps in the dark. (Suppliers end too, and are no sessions.)"""
    ending = set()
    for path in Path(idp.__file__).parent.rglob("*.py"):
        if {"models", "versions"} & {*path.parts}:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                inside = [*ast.walk(function)]
                names = {node.id for node in inside if isinstance(node, ast.Name)}
                if not names & {"Session", "StaffSession"}:
                    continue
                words = {node.arg for node in inside if isinstance(node, ast.keyword)}
                words |= {node.value for node in inside if isinstance(node, ast.Constant)}
                if "ended_at" in words:
                    ending.add((path.name, function.name))
    of_staff = ("staff_sessions.py", "_end")
    restored = ("taken_back.py", "cut_off")
    assert ending == {("sessions.py", "_ending"), of_staff, restored}, (
        "no app hangs on a session of staff; after a restore nobody knows in which sessions an app still believes"
    )
    tree = ast.parse((Path(idp.__file__).parent / "login" / "sessions.py").read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        calls = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Call)]
        ends = [call for call in calls if call.startswith(("_ending(", "_ending_oldest("))]
        if ends and function.name != "_ending_oldest":
            assert any(call.startswith("_carry_out(db, _ending") for call in calls), function.name


def test_a_session_that_is_merely_idle_is_not_ended_for_the_apps(bench, story):
    session = signed_in(bench, story)
    bench.house.clock.move(minutes=bench.house.settings.session_idle_minutes + 1)
    assert jobs.end_expired(bench.house)["ended"] == 0
    assert not waiting(bench)
    bench.house.clock.move(hours=bench.house.settings.session_hours)
    assert jobs.end_expired(bench.house)["ended"] == 1
    assert [one.sid for one in waiting(bench)] == [session.sid]


def test_expired_sessions_are_looked_for_from_where_the_last_look_ended(bench, story):
    house = bench.house
    assert jobs.end_expired(house)["ended"] == 0
    signed_in(bench, story)
    house.clock.move(hours=house.settings.session_hours, minutes=2)
    assert jobs.end_expired(house)["ended"] == 1
    assert jobs.end_expired(house)["ended"] == 0
    with house.database.reading() as db:
        assert leases.reached(db, leases.EXPIRED_SESSIONS) == house.clock.now()


def test_what_is_rolled_back_tells_nobody(bench, story):
    session = signed_in(bench, story)
    with pytest.raises(RuntimeError), bench.house.database.transaction() as db:
        sessions.end(db, session.sid, "signed_out", bench.house.clock.now())
        raise RuntimeError
    assert not waiting(bench)


def test_refresh_tokens_survive_a_sign_out_and_never_a_reset(bench, story):
    session = bench.sign_in(story)
    offline = bench.tokens(story, session)
    access = bench.tokens(story, session, scope="openid profile")
    logout.end(bench.house, session)
    assert bench.userinfo(access["access_token"]).status_code == 401
    again = bench.refresh(story, offline["refresh_token"])
    assert again.status_code == 200
    with bench.house.database.transaction() as db:
        sessions.end_all(db, story.pupil, "secret_renewed", bench.house.clock.now(), grants=True)
    assert bench.refresh(story, again.json["refresh_token"]).status_code == 400


# ---------------------------------------------------------------- until it arrives


@pytest.mark.parametrize("status", [200, 204])
def test_a_message_that_arrived_is_not_sent_again(bench, story, status):
    end(bench.house, signed_in(bench, story))
    door = Door(status=status)
    assert [backchannel.deliver(bench.house, post=door) for _ in range(3)] == [1, 0, 0]
    [line] = waiting(bench)
    assert (line.state, line.tries, line.result) == (models.ErrandState.DELIVERED, 1, f"HTTP {status}")


def test_FAULT_08_a_target_that_is_down_is_tried_eight_times_and_then_given_up(bench, story):
    house = bench.house
    end(house, signed_in(bench, story))
    began, door = house.clock.now(), Door(because="no answer in time")
    while waiting(bench)[0].state is models.ErrandState.WAITING:
        assert backchannel.deliver(house, post=door) in (0, 1)
        house.clock.move(seconds=5)
    [line] = waiting(bench)
    assert (line.state, line.tries, line.result) == (models.ErrandState.GIVEN_UP, 8, "no answer in time")
    assert len(door.came) == 8
    assert timedelta(hours=2) < house.clock.now() - began < timedelta(hours=7)
    assert backchannel.deliver(house, post=door) == 0
    assert len(bench.events("logout_not_delivered")) == len(bench.events("logout_given_up")) == 1
    with house.database.transaction() as db:
        assert backchannel.try_again(db, story.app.client_id, house.clock.now()) == 1
    assert backchannel.deliver(house, post=Door()) == 1


@pytest.mark.parametrize("status", [302, 400, 404, 500, 501])
def test_any_other_answer_is_tried_again(bench, story, status):
    end(bench.house, signed_in(bench, story))
    backchannel.deliver(bench.house, post=Door(status=status))
    [line] = waiting(bench)
    wait = line.next_at - bench.house.clock.now()
    assert (line.state, line.result) == (models.ErrandState.WAITING, f"HTTP {status}")
    assert timedelta(seconds=5) <= wait <= timedelta(seconds=10)


def test_an_app_that_does_not_answer_is_asked_once_a_round_and_holds_up_no_other(bench, story):
    other = bench.story(backchannel_logout_uri="https://other.example/logout")
    for _ in range(5):
        end(bench.house, signed_in(bench, story))
    end(bench.house, signed_in(bench, other))
    asked = Counter()

    def post(uri, form):
        asked[uri] += 1
        if uri == URI:
            raise NotFetched("no answer in time")
        return Fetched(status=200, headers={}, body=b"")

    assert backchannel.deliver(bench.house, post=post) == 6
    assert asked == {URI: 1, "https://other.example/logout": 1}
    states = Counter((one.client_id, one.state, one.tries) for one in waiting(bench))
    assert states == {
        (story.app.client_id, models.ErrandState.WAITING, 1): 5,
        (other.app.client_id, models.ErrandState.DELIVERED, 1): 1,
    }


def test_an_app_that_was_removed_or_asks_no_more_is_not_told(bench, story):
    end(bench.house, signed_in(bench, story))
    bench.change(update(models.App).values(disabled_at=bench.house.clock.now()))
    bench.registered_again()
    door = Door()
    assert backchannel.deliver(bench.house, post=door) == 1
    assert not door.came


def test_who_signs_out_does_not_wait_for_an_app(bench, story):
    """Nothing is sent by the request: the guarded fetcher would refuse this address, and nobody notices."""
    session = signed_in(bench, story)
    logout.end(bench.house, session)
    assert [one.tries for one in waiting(bench)] == [0]


def test_SSRF_01_an_address_inside_a_network_is_not_called_whatever_is_registered(bench):
    story = bench.story(backchannel_logout_uri="https://169.254.169.254/logout")
    end(bench.house, signed_in(bench, story))
    assert backchannel.deliver(bench.house) == 1
    assert "inside a network" in waiting(bench)[0].result


def test_several_workers_never_send_the_same_message(bench, story):
    for _ in range(30):
        end(bench.house, signed_in(bench, story))
    came, lock = Counter(), threading.Lock()

    def post(_uri, form):
        with lock:
            came[claims_of(bench, form["logout_token"])[1]["sid"]] += 1
        return Fetched(status=200, headers={}, body=b"")

    workers = [
        threading.Thread(target=backchannel.deliver, args=(bench.house,), kwargs={"post": post})
        for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(came) == 30
    assert set(came.values()) == {1}


def test_what_a_worker_left_behind_is_taken_again_after_a_minute(bench, story):
    end(bench.house, signed_in(bench, story))

    def die(_uri, _form):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backchannel.deliver(bench.house, post=die)
    assert backchannel.deliver(bench.house, post=Door()) == 0
    bench.house.clock.move(seconds=61)
    assert backchannel.deliver(bench.house, post=Door()) == 1


# ---------------------------------------------------------------- the worker


def test_one_process_at_a_time_holds_the_lease_and_another_takes_over_when_it_dies(house):
    now = house.clock.now()
    with house.database.transaction() as db:
        assert leases.take(db, leases.JOBS, "one", now, seconds=30)
        assert not leases.take(db, leases.JOBS, "two", now, seconds=30)
        assert leases.take(db, leases.JOBS, "one", now + timedelta(seconds=20), seconds=30)
        assert not leases.take(db, leases.JOBS, "two", now + timedelta(seconds=45), seconds=30)
        assert leases.take(db, leases.JOBS, "two", now + timedelta(seconds=50), seconds=30)
        leases.leave(db, leases.JOBS, "two", now + timedelta(seconds=51))
        assert leases.take(db, leases.JOBS, "one", now + timedelta(seconds=51), seconds=30)


def test_what_is_due_ends_what_expired_delivers_and_announces_keys(bench, story):
    house = bench.house
    jobs.announce(house)
    signed_in(bench, story)
    house.clock.move(hours=house.settings.session_hours, seconds=1)
    jobs.run_due(house, "me")
    jobs.run_due(house, "me")
    assert [one.tries for one in waiting(bench)] == [1]
    house.clock.move(days=80)
    jobs.run_due(house, "me")
    with house.database.reading() as db:
        assert "announced" in {line.state(house.clock.now()) for line in signing.listing(db)}


def test_the_worker_of_a_process_works_by_itself_and_leaves_when_it_is_told(bench, story):
    house = bench.house
    beside = context.open_house(house.settings, clock=clock.Stopped(house.clock.now()))
    worker = job_worker.Worker(beside, every=0.02)
    end(house, signed_in(bench, story))
    worker.start()
    try:
        for _ in range(6000):
            if waiting(bench)[0].tries:
                break
            threading.Event().wait(0.01)
    finally:
        worker.stop()
        beside.database.close()
    assert waiting(bench)[0].tries == 1
    with house.database.transaction() as db:
        assert leases.take(db, leases.JOBS, "another", house.clock.now(), seconds=30)
