"""Staff sign in with a password and a second factor; what is unknown and what is wrong look alike."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from idp import models
from idp.login import browsers, staff_accounts, staff_sign_in
from idp.login.slowing import Counter
from idp.login.staff_sign_in import Proven, Visitor, Wait, Wrong
from tests import make_staff
from tests.make_browser import path

SIGN_IN = "/personeel/aanmelden"


def at_once(work, times: int) -> list:
    """Each in a thread of its own, under the circumstances of this test."""
    with ThreadPoolExecutor(times) as pool:
        return [done.result() for done in [pool.submit(copy_context().run, work, n) for n in range(times)]]


def visitor(house, person_id=None, browser="b1") -> Visitor:
    made = browsers.Browser(id=browser)
    if person_id:
        made = browsers.after_meeting(made, staff_sign_in.mark(house, person_id), house.clock.now())
    return Visitor(browser=made, address="192.0.2.7")


def test_a_password_and_a_code_open_the_schoolloket(client, house):
    one = make_staff.staff(house)
    answer = make_staff.sign_in(client, house, one)
    assert path(answer) == "/schoolloket"
    assert path(client.get("/schoolloket")) == "/schoolloket/leerid-beheer"
    with house.database.reading() as db:
        event = db.execute(
            select(models.AuditEvent).where(models.AuditEvent.event == "staff_signed_in")
        ).one()
    assert event.actor == f"person:{one.person_id}"
    assert event.details == {"amr": ["pwd", "otp"]}


@pytest.mark.parametrize("typed", ["ANN@school.example", " ann@School.example ", "ann@school．example"])
def test_BRUTE_09_a_name_is_one_name_however_it_is_written(house, typed):
    one = make_staff.staff(house, e_mail="Ann@school.example")
    outcome = staff_sign_in.password(house, typed, one.password, visitor(house))
    assert isinstance(outcome, Proven)
    for _ in range(9):
        staff_sign_in.password(house, one.person_id, "wrong" + str(_), visitor(house))
    last = staff_sign_in.password(house, typed, "wrong", visitor(house))
    assert isinstance(last, Wrong)
    assert last.wait is not None


def test_an_address_that_two_people_share_means_nobody(house):
    for _ in range(2):
        make_staff.staff(house, e_mail="directie@school.example")
    outcome = staff_sign_in.password(house, "directie@school.example", make_staff.PASSWORD, visitor(house))
    assert isinstance(outcome, Wrong)


def test_a_password_alone_opens_nothing(client, house):
    one = make_staff.staff(house)
    answer = make_staff.form(client, SIGN_IN, name=one.person_id, password=one.password)
    assert path(answer) == f"{SIGN_IN}/code"
    assert path(client.get("/schoolloket")) == SIGN_IN


def test_a_code_works_once_and_none_before_it_later(client, house, stopped):
    one = make_staff.staff(house)
    before = one.code(house)
    stopped.move(seconds=30)
    code = one.code(house)
    assert isinstance(staff_sign_in.code(house, one.person_id, code, visitor(house)), Proven)
    assert isinstance(staff_sign_in.code(house, one.person_id, code, visitor(house)), Wrong)
    assert isinstance(staff_sign_in.code(house, one.person_id, before, visitor(house)), Wrong)
    stopped.move(seconds=30)
    assert isinstance(staff_sign_in.code(house, one.person_id, one.code(house), visitor(house)), Proven)


def test_a_code_of_two_minutes_ago_is_too_old(house, stopped):
    one = make_staff.staff(house)
    code = one.code(house)
    stopped.move(minutes=2)
    assert isinstance(staff_sign_in.code(house, one.person_id, code, visitor(house)), Wrong)


def test_eight_at_once_with_the_same_code_give_one_sign_in(house):
    one = make_staff.staff(house)
    code = one.code(house)
    here = visitor(house, one.person_id)
    outcomes = at_once(lambda _: staff_sign_in.code(house, one.person_id, code, here), 8)
    assert sum(isinstance(outcome, Proven) for outcome in outcomes) == 1


def test_a_recovery_code_works_once_however_it_is_typed(house):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        from idp import entropy

        codes = staff_accounts.new_recovery_codes(db, one.person_id, entropy.Chance(), house.clock.now())
    assert len({*codes}) == 10
    typed = codes[0].upper().replace("-", " ")
    assert isinstance(staff_sign_in.code(house, one.person_id, typed, visitor(house)), Proven)
    assert isinstance(staff_sign_in.code(house, one.person_id, codes[0], visitor(house)), Wrong)
    other = make_staff.staff(house)
    assert isinstance(staff_sign_in.code(house, other.person_id, codes[1], visitor(house)), Wrong)
    with house.database.reading() as db:
        kept = " ".join(db.execute(select(models.RecoveryCode.digest)).scalars())
        assert staff_accounts.recovery_codes_left(db, one.person_id) == 9
    assert not any(code in kept for code in codes)


def test_ENUM_01_unknown_and_wrong_look_the_same(app, house):
    one = make_staff.staff(house)
    seen = []
    for name in (one.person_id, "nobody", "nobody@school.example"):
        browser = app.test_client()
        answer = make_staff.form(browser, SIGN_IN, name=name, password="not this one at all")
        text = re.sub(
            r'(name="(?:csrf_token|question)" value="|nonce="|data-passkey=")[^"\']*', r"\1", answer.text
        )
        seen.append(
            (
                answer.status_code,
                [header for header, _ in answer.headers],
                text.replace(name, "NAME"),
            )
        )
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 401


def test_ENUM_02_a_name_without_account_costs_a_hash_too(house):
    asked = []

    class Counting:
        def __init__(self, inner):
            self.inner = inner

        def verify(self, stored, secret):
            asked.append(stored is not None)
            return self.inner.verify(stored, secret)

    words = {name: getattr(house, name) for name in type(house).__dataclass_fields__}
    counting = type(house)(**words | {"hasher": Counting(house.hasher)})
    one = make_staff.staff(house)
    for name in (one.person_id, "nobody"):
        staff_sign_in.password(counting, name, "wrong", visitor(house))
    assert asked == [True, False]


def test_BRUTE_01_wrong_passwords_from_strangers_close_and_a_known_browser_stays_open(house):
    one = make_staff.staff(house)
    outcomes = [
        staff_sign_in.password(house, one.person_id, f"wrong {number}", visitor(house, browser=f"b{number}"))
        for number in range(12)
    ]
    assert isinstance(outcomes[-1], Wait)
    right = staff_sign_in.password(house, one.person_id, one.password, visitor(house))
    assert isinstance(right, Wait), "BRUTE-16: no oracle while it is closed"
    at_home = visitor(house, one.person_id)
    assert isinstance(staff_sign_in.password(house, one.person_id, one.password, at_home), Proven)


def test_BRUTE_02_thirty_guesses_at_once_are_not_thirty_evaluations(house):
    one = make_staff.staff(house)
    outcomes = at_once(
        lambda n: staff_sign_in.password(house, one.person_id, f"guess {n}", visitor(house)), 30
    )
    assert sum(isinstance(outcome, Wrong) for outcome in outcomes) <= 10


def test_the_same_six_digits_again_count_again(house, stopped):
    """Otherwise one code could be tried at every half minute of the day."""
    one = make_staff.staff(house)
    now = int(house.clock.now().timestamp())
    shown = {pyotp.TOTP(one.secret).at(now + 30 * step) for step in range(-2, 15)}
    never = next(code for code in map("{:06d}".format, range(100)) if code not in shown)
    outcomes = []
    for _ in range(12):
        outcomes.append(staff_sign_in.code(house, one.person_id, never, visitor(house)))
        stopped.move(seconds=30)
    assert isinstance(outcomes[-1], Wait)


def test_a_hundred_wrong_codes_need_a_new_app_which_then_works(client, house, stopped):
    one = make_staff.staff(house)
    for number in range(100):
        staff_sign_in.code(
            house, one.person_id, f"{number} wrong", visitor(house, one.person_id, f"b{number}")
        )
    known = visitor(house, one.person_id, "another")
    wait = staff_sign_in.code(house, one.person_id, one.code(house), known)
    assert isinstance(wait, Wait)
    assert wait.counter is Counter.MONTH
    make_staff.form(client, SIGN_IN, name=one.person_id, password=one.password)
    said = make_staff.form(client, f"{SIGN_IN}/code", code=one.code(house)).text
    assert "vraag een uitnodiging om opnieuw te beginnen" in said
    assert "minuten" not in said
    stopped.move(days=1)
    with house.database.transaction() as db:
        sealed = house.keys.keep(staff_sign_in.TOTP, one.secret)
        staff_accounts.set_totp(db, one.person_id, sealed, step=0, now=house.clock.now())
    assert isinstance(staff_sign_in.code(house, one.person_id, one.code(house), known), Proven)


def test_DOS_01_a_password_of_a_megabyte_is_refused_without_hashing_it(client, house):
    one = make_staff.staff(house)
    word = re.search(r'name="csrf_token" value="([^"]+)"', client.get(SIGN_IN).text)[1]
    answer = client.post(SIGN_IN, data={"csrf_token": word, "name": one.person_id, "password": "x" * 200_000})
    assert answer.status_code == 401


def test_SESS_01_the_session_is_new_at_every_sign_in_and_the_old_one_is_worthless(
    app, client, house, stopped
):
    one = make_staff.staff(house)
    planted = "lst_" + "a" * 43
    client.set_cookie(make_staff.cookie_name(house), planted)
    make_staff.sign_in(client, house, one)
    first = client.get_cookie(make_staff.cookie_name(house)).value
    assert first != planted
    stopped.move(seconds=30)
    other = app.test_client()
    make_staff.sign_in(other, house, one)
    assert other.get_cookie(make_staff.cookie_name(house)).value != first
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.StaffSession)).scalar_one() == 2


@pytest.mark.parametrize(("minutes", "alive"), [(29, True), (31, False)])
def test_SESS_03_a_session_of_staff_ends_when_it_is_idle(client, house, stopped, minutes, alive):
    make_staff.begin(client, house, make_staff.staff(house))
    stopped.move(minutes=minutes)
    assert (client.get("/schoolloket/leerid-beheer").status_code == 200) is alive


def test_SESS_03_a_session_of_staff_ends_after_ten_hours_whatever_happens(client, house, stopped):
    make_staff.begin(client, house, make_staff.staff(house))
    for _ in range(29):
        stopped.move(minutes=20)
        assert client.get("/schoolloket/leerid-beheer").status_code == 200
    stopped.move(minutes=20)
    assert path(client.get("/schoolloket/leerid-beheer")) == SIGN_IN


def test_LOGO_08_after_signing_out_the_cookie_opens_nothing(app, client, house):
    one = make_staff.staff(house)
    make_staff.begin(client, house, one)
    cookie = client.get_cookie(make_staff.cookie_name(house)).value
    page = client.get("/schoolloket/leerid-beheer")
    form = page.text.partition('action="/personeel/afmelden"')[2]
    word = re.search(r'name="csrf_token" value="([^"]+)"', form)[1]
    assert path(client.post("/personeel/afmelden", data={"csrf_token": word})) == SIGN_IN
    assert client.get_cookie(make_staff.cookie_name(house)) is None
    client.set_cookie(make_staff.cookie_name(house), cookie)
    assert path(client.get("/schoolloket")) == SIGN_IN


@pytest.mark.parametrize(
    "way",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/mijn-apps",
        "/schoolloket\r\nX: y",
        "javascript:1",
    ],
)
def test_OPEN_01_a_sign_in_of_staff_leads_to_a_page_of_staff(client, house, way):
    one = make_staff.staff(house)
    client.get(SIGN_IN, query_string={"next": way})
    page = make_staff.form(client, SIGN_IN, name=one.person_id, password=one.password, next=way)
    answer = make_staff.form(client, page.headers["Location"], code=one.code(house), next=way)
    assert path(answer) == "/schoolloket"


def test_a_first_step_ends_when_the_password_changes_or_ten_minutes_pass(app, house, stopped):
    one = make_staff.staff(house)
    for move in (True, False):
        browser = app.test_client()
        make_staff.form(browser, SIGN_IN, name=one.person_id, password=one.password)
        if move:
            stopped.move(minutes=11)
        else:
            with house.database.transaction() as db:
                staff_accounts.set_password(
                    db, one.person_id, house.hasher.hash("x" * 20), house.clock.now() + timedelta(seconds=1)
                )
        assert path(browser.get(f"{SIGN_IN}/code")) == SIGN_IN


def test_HEAD_01_the_cookie_is_httponly_lax_and_of_this_host(client, house):
    answer = make_staff.sign_in(client, house, make_staff.staff(house))
    (cookie,) = [
        one for one in answer.headers.getlist("Set-Cookie") if "staff=" in one.partition(";")[0] + "="
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Expires" not in cookie


def test_nothing_of_a_second_factor_can_be_read_in_the_database(house):
    one = make_staff.staff(house)
    with house.database.reading() as db:
        row = db.execute(select(models.StaffAccount)).one()
    assert one.secret not in row.totp_secret
    assert house.keys.kept(staff_sign_in.TOTP, row.totp_secret) == one.secret
    assert house.keys.kept("another", row.totp_secret) is None
