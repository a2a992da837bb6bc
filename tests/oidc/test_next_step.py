"""What comes next: every combination, and the rules that hold in all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, product

import pytest

from idp.apps import App
from idp.oidc.next_step import (
    ChangePassword,
    ConfirmPupil,
    Evidence,
    Issue,
    NotVisible,
    PickSchool,
    RefuseToApp,
    ShowRelease,
    SignIn,
    Situation,
    Somebody,
    decide,
)
from idp.oidc.request import AuthorizationRequest

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
APP = App(client_id="a", client_name="A", sector="a", redirect_uris=("https://a.example/cb",))
ONE, TWO = ("111111",), ("111111", "222222")


def subsets(words):
    words = list(words)
    return [
        frozenset(some) for some in chain.from_iterable(combinations(words, n) for n in range(len(words) + 1))
    ]


def situation(*, prompt="", max_age=None, ago=60, must_change=False, shared=False, nobody=False, **more):
    request = AuthorizationRequest(
        app=APP, redirect_uri="https://a.example/cb", prompt=frozenset(prompt.split()), max_age=max_age
    )
    somebody = Somebody(auth_time=NOW - timedelta(seconds=ago), must_change=must_change, shared=shared)
    words = {"schools": ONE} | more
    words["evidence"] = frozenset(words.get("evidence", ()))
    return Situation(request=request, now=NOW, somebody=None if nobody else somebody, **words)


FRESH, CONFIRMED, CHOSEN, INFORMED = Evidence.FRESH, Evidence.CONFIRMED, Evidence.CHOSEN, Evidence.INFORMED


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ({"nobody": True}, SignIn()),
        ({}, Issue(school="111111")),
        ({"prompt": "login"}, SignIn(again=True)),
        ({"prompt": "login", "evidence": {FRESH}}, Issue(school="111111", uses=frozenset({FRESH}))),
        ({"prompt": "login", "evidence": {CONFIRMED, CHOSEN, INFORMED}}, SignIn(again=True)),
        ({"max_age": 60, "ago": 60}, Issue(school="111111")),
        ({"max_age": 60, "ago": 61}, SignIn(again=True)),
        ({"max_age": 60, "ago": 61, "evidence": {FRESH}}, Issue(school="111111", uses=frozenset({FRESH}))),
        ({"max_age": 0, "ago": 0}, SignIn(again=True)),
        ({"must_change": True}, ChangePassword()),
        ({"must_change": True, "schools": ()}, ChangePassword()),
        ({"must_change": True, "prompt": "login"}, SignIn(again=True)),
        ({"must_change": True, "prompt": "login", "evidence": {FRESH}}, ChangePassword()),
        ({"shared": True}, ConfirmPupil()),
        ({"shared": True, "evidence": {CONFIRMED}}, Issue(school="111111", uses=frozenset({CONFIRMED}))),
        ({"shared": True, "evidence": {FRESH}}, Issue(school="111111", uses=frozenset({FRESH}))),
        ({"shared": True, "schools": ()}, ConfirmPupil()),
        ({"prompt": "select_account"}, ConfirmPupil()),
        (
            {"prompt": "select_account", "evidence": {CONFIRMED}},
            Issue(school="111111", uses=frozenset({CONFIRMED})),
        ),
        (
            {"prompt": "select_account", "evidence": {CONFIRMED}, "schools": TWO, "remembered": "222222"},
            PickSchool(schools=TWO),
        ),
        (
            {
                "prompt": "select_account",
                "evidence": {CONFIRMED, CHOSEN},
                "schools": TWO,
                "remembered": "222222",
            },
            Issue(school="222222", uses=frozenset({CONFIRMED, CHOSEN})),
        ),
        ({"schools": ()}, NotVisible()),
        ({"schools": TWO}, PickSchool(schools=TWO)),
        ({"schools": TWO, "remembered": "222222"}, Issue(school="222222")),
        ({"schools": TWO, "remembered": "333333"}, PickSchool(schools=TWO)),
        ({"schools": TWO, "remembered": "333333", "evidence": {CHOSEN}}, PickSchool(schools=TWO)),
        ({"schools": ONE, "remembered": "333333"}, Issue(school="111111")),
        ({"prompt": "consent"}, ShowRelease(school="111111")),
        ({"prompt": "consent", "evidence": {INFORMED}}, Issue(school="111111", uses=frozenset({INFORMED}))),
        ({"prompt": "login consent", "evidence": {FRESH}}, ShowRelease(school="111111")),
        (
            {"prompt": "login consent", "evidence": {FRESH, INFORMED}},
            Issue(school="111111", uses=frozenset({FRESH, INFORMED})),
        ),
        ({"hinted_another": True}, SignIn(again=True)),
        (
            {"hinted_another": True, "evidence": {FRESH}},
            RefuseToApp(error="login_required", description="somebody else than id_token_hint signed in"),
        ),
    ],
)
def test_the_next_step(words, step):
    assert decide(situation(**words)) == step


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"nobody": True}, "login_required"),
        ({"max_age": 0}, "login_required"),
        ({"max_age": 10, "ago": 11}, "login_required"),
        ({"hinted_another": True}, "login_required"),
        ({"must_change": True}, "interaction_required"),
        ({"shared": True}, "interaction_required"),
        ({"schools": TWO}, "interaction_required"),
        ({"schools": ()}, "access_denied"),
    ],
)
def test_in_silence_every_question_is_a_refusal(words, error):
    step = decide(situation(prompt="none", **words))
    assert isinstance(step, RefuseToApp)
    assert step.error == error


def every_situation():
    prompts = ["none", *(" ".join(some) for some in subsets(["login", "consent", "select_account"]))]
    schools = [(), ONE, TWO]
    for prompt, max_age, shared, must_change, hinted, evidence, visible, remembered in product(
        prompts,
        [None, 0, 30],
        [False, True],
        [False, True],
        [False, True],
        subsets(Evidence),
        schools,
        [None, "222222", "9"],
    ):
        yield situation(
            prompt=prompt,
            max_age=max_age,
            shared=shared,
            must_change=must_change,
            hinted_another=hinted,
            evidence=evidence,
            schools=visible,
            remembered=remembered,
        )


def test_in_every_situation_a_code_is_earned():
    seen = set()
    for one in every_situation():
        step, asked = decide(one), one.request
        seen.add(type(step))
        if asked.silent:
            assert isinstance(step, Issue | RefuseToApp)
        if not isinstance(step, Issue):
            continue
        assert not one.somebody.must_change
        assert not one.hinted_another
        assert step.school in one.schools
        assert step.uses <= one.evidence
        if "login" in asked.prompt or asked.max_age is not None:
            assert Evidence.FRESH in step.uses
        if one.somebody.shared or "select_account" in asked.prompt:
            assert step.uses & {Evidence.FRESH, Evidence.CONFIRMED}
        if "consent" in asked.prompt:
            assert Evidence.INFORMED in step.uses
        if len(one.schools) > 1:
            assert step.school == one.remembered
    assert seen == {
        SignIn,
        ChangePassword,
        ConfirmPupil,
        NotVisible,
        PickSchool,
        ShowRelease,
        Issue,
        RefuseToApp,
    }


def test_without_its_evidence_the_same_request_never_gives_a_second_code():
    for one in every_situation():
        step = decide(one)
        if isinstance(step, Issue) and step.uses:
            left = Situation(
                **{**vars(one), "evidence": one.evidence - step.uses - {Evidence.FRESH, Evidence.CONFIRMED}}
            )
            assert not isinstance(decide(left), Issue)


BASIC, BASIC_CARD, OWN = (f"urn:leersleutel:acr:{word}" for word in ("basic", "basic+card", "own"))


@pytest.mark.parametrize(
    ("wanted", "needed", "acr"),
    [
        ((), (), BASIC_CARD),
        ((OWN,), (), BASIC_CARD),
        ((OWN, BASIC), (), BASIC),
        ((BASIC_CARD, BASIC), (), BASIC_CARD),
        ((BASIC,), (BASIC_CARD,), BASIC_CARD),
    ],
)
def test_a_wish_for_acr_is_met_in_the_apps_order_and_never_refuses(wanted, needed, acr):
    request = AuthorizationRequest(
        app=APP, redirect_uri="https://a.example/cb", acr_values=wanted, acr_needed=needed
    )
    somebody = Somebody(auth_time=NOW - timedelta(seconds=60), acr=BASIC_CARD)
    step = decide(Situation(request=request, now=NOW, somebody=somebody, schools=ONE))
    assert (type(step), step.acr) == (Issue, acr)
