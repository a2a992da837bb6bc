"""Is the decision right for every state of every gate? Exhaustively, and as a property."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.claims import catalogue, release
from idp.claims.catalogue import Gate
from idp.claims.release import Question

NEVER_OFFERED = {
    "birthdate",
    "gender",
    "address",
    "email",
    "phone_number",
    "national_number",
    "insz",
    "rrn",
    "stamnummer",
    "hoofdstructuur",
}
IDENTITY = {"ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid"}
ENROLMENT = {"given_name", "family_name", "name", "ov_orgcode", "ov_orgnaam", "ov_leerjaar", "ov_schooljaar"}
KLASINFORMATIE = {"ov_administratieve_groep", "ov_klassen"}
SWITCHES = ("registered", "requested", "shares", "visible", "visible_by_school", "enrolled", "known")
"""Everything that can be open or closed for one claim."""


def question(claim: str, switches: dict[str, bool]) -> Question:
    name = frozenset({claim})
    return Question(
        registered=name if switches["registered"] else frozenset(),
        requested=name if switches["requested"] else frozenset(),
        shares=switches["shares"],
        visible=switches["visible"],
        visible_by_school=switches["visible_by_school"],
        enrolled=switches["enrolled"],
        values={claim: "value"} if switches["known"] else {},
    )


def answer(claim: str, switches: dict[str, bool]) -> release.Answer:
    return next(one for one in release.decide(question(claim, switches)) if one.claim == claim)


def expected(claim: str, on: dict[str, bool]) -> Gate | None:
    """The rule as product.md and apps-and-claims.md write it, claim by claim."""
    visible = on["visible"] and (on["visible_by_school"] if claim in KLASINFORMATIE else True)
    applies = {
        Gate.NOT_REGISTERED: on["registered"],
        Gate.NOT_REQUESTED: on["requested"],
        Gate.SCHOOL_DOES_NOT_SHARE: on["shares"] or claim not in KLASINFORMATIE,
        Gate.NOT_VISIBLE: visible or claim == "sub",
        Gate.NOT_ENROLLED: on["enrolled"] or claim in IDENTITY | {"sub"},
        Gate.UNKNOWN: on["known"],
    }
    return next((gate for gate, is_open in applies.items() if not is_open), None)


def test_the_gates_are_looked_at_in_the_order_of_the_rule():
    words = [
        "not_registered",
        "not_requested",
        "school_does_not_share",
        "not_visible",
        "not_enrolled",
        "unknown",
    ]
    assert list(Gate) == words
    assert [gate for gate, _ in release.GATES] == words


@pytest.mark.parametrize("claim", sorted(catalogue.NAMES))
def test_CONS_16_every_combination_of_gates_gives_the_first_closed_one(claim):
    for states in itertools.product([True, False], repeat=len(SWITCHES)):
        on = dict(zip(SWITCHES, states, strict=True))
        got = answer(claim, on)
        assert got.gate == expected(claim, on), on
        assert got.released == (got.gate is None)
        assert (got.value is not None) == got.released


@pytest.mark.parametrize("claim", sorted(KLASINFORMATIE))
def test_CONS_16_klasinformatie_is_released_in_the_one_row_where_everything_is_open(claim):
    rows = [
        dict(zip(SWITCHES, states, strict=True))
        for states in itertools.product([True, False], repeat=len(SWITCHES))
    ]
    assert [row for row in rows if answer(claim, row).released] == [dict.fromkeys(SWITCHES, True)]


@pytest.mark.parametrize("claim", sorted(catalogue.NAMES))
def test_closing_one_more_gate_never_opens_anything(claim):
    for states in itertools.product([True, False], repeat=len(SWITCHES)):
        on = dict(zip(SWITCHES, states, strict=True))
        for switch in SWITCHES:
            if answer(claim, on | {switch: False}).released:
                assert answer(claim, on).released


names = st.frozensets(st.sampled_from(sorted(catalogue.NAMES)))
questions = st.builds(
    Question,
    registered=names,
    requested=names,
    shares=st.booleans(),
    visible=st.booleans(),
    visible_by_school=st.booleans(),
    enrolled=st.booleans(),
    values=st.dictionaries(st.sampled_from(sorted(catalogue.NAMES)), st.sampled_from([None, "value", []])),
)


@given(questions, questions)
def test_whoever_gets_less_from_every_gate_gets_less(left, right):
    both = Question(
        registered=left.registered & right.registered,
        requested=left.requested & right.requested,
        shares=left.shares and right.shares,
        visible=left.visible and right.visible,
        visible_by_school=left.visible_by_school and right.visible_by_school,
        enrolled=left.enrolled and right.enrolled,
        values={name: value for name, value in left.values.items() if name in right.values},
    )
    released = [{one.claim for one in release.decide(each) if one.released} for each in (both, left)]
    assert released[0] <= released[1]


@given(questions)
def test_every_claim_gets_exactly_one_answer(asked):
    answers = release.decide(asked)
    assert [one.claim for one in answers] == [claim.name for claim in catalogue.CATALOGUE]
    assert all((one.gate is None) == (one.word == "released") for one in answers)
    assert all(one.value == asked.values[one.claim] for one in answers if one.released)


def test_an_empty_list_is_a_value_and_none_is_not():
    on = dict.fromkeys(SWITCHES, True)
    asked = question("ov_leerid_uuid", on)
    empty = dataclasses.replace(asked, values={"ov_leerid_uuid": []})
    nothing = dataclasses.replace(asked, values={"ov_leerid_uuid": None})
    gates = [
        {one.claim: one.gate for one in release.decide(each)}["ov_leerid_uuid"] for each in (empty, nothing)
    ]
    assert gates == [None, Gate.UNKNOWN]


def test_the_catalogue_is_the_table_of_the_paper():
    scopes = {claim.name: claim.scope for claim in catalogue.CATALOGUE}
    assert scopes == (
        {"sub": "openid"}
        | dict.fromkeys(("given_name", "family_name", "name"), "profile")
        | dict.fromkeys((*IDENTITY, "ov_orgcode", "ov_orgnaam"), "ov_leerling")
        | dict.fromkeys(("ov_leerjaar", "ov_schooljaar"), "ov_inschrijving")
        | dict.fromkeys(KLASINFORMATIE, "ov_klas")
    )
    assert set(scopes) == {"sub"} | IDENTITY | ENROLMENT | KLASINFORMATIE
    assert catalogue.CLASS_CLAIMS == KLASINFORMATIE
    assert catalogue.SCOPES == (
        "openid",
        "profile",
        "ov_leerling",
        "ov_inschrijving",
        "ov_klas",
        "offline_access",
    )


def test_JWT_11_no_claim_bears_a_word_of_the_protocol():
    assert not catalogue.NAMES & catalogue.PROTOCOL_NAMES
    assert {
        "iss",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "nonce",
        "acr",
        "amr",
        "auth_time",
        "azp",
    } <= catalogue.PROTOCOL_NAMES
    for word in catalogue.PROTOCOL_NAMES:
        with pytest.raises(ValueError, match="protocol"):
            catalogue.Claim(name=word, scope="profile", label="")


def test_CONS_13_the_catalogue_has_nothing_that_is_never_offered():
    assert not catalogue.NAMES & NEVER_OFFERED


@pytest.mark.parametrize("gate", [Gate.NOT_REGISTERED, Gate.NOT_REQUESTED, Gate.UNKNOWN])
def test_some_gates_hold_for_every_claim(gate):
    with pytest.raises(ValueError, match="waives"):
        catalogue.Claim(name="hobby", scope="profile", label="", waives=frozenset({gate}))


def test_a_claim_that_waives_nothing_needs_every_gate():
    assert catalogue.Claim(name="hobby", scope="profile", label="").waives == frozenset()
    assert not catalogue.Claim(name="hobby", scope="profile", label="").open_is_enough


def test_an_unknown_scope_stands_for_nothing():
    assert catalogue.claims_of(["openid", "email", "admin"]) == {"sub"}
    assert catalogue.claims_of([]) == frozenset()
