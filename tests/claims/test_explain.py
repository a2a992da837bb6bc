"""Does every answer have words, for a child and for whoever runs the place?"""

from __future__ import annotations

from collections import Counter

import pytest

from idp import apps
from idp.claims import catalogue, explain
from idp.claims.catalogue import Gate
from idp.claims.release import Answer
from tests.make_reading import stands

APP = apps.App(
    client_id="x", client_name="Rekenbuur", sector="x", reasons={"given_name": "om je te begroeten"}
)


def answers(**gates):
    """Every claim is released, but for these."""
    values = {
        "name": "Noor Peeters",
        "ov_klassen": [{"naam": "3A"}, {"naam": "Frans"}],
        "ov_orgnaam": "De Wijzer",
    }
    return [
        Answer(claim=name, gate=gates[name])
        if name in gates
        else Answer(claim=name, value=values.get(name, "x"))
        for name in (claim.name for claim in catalogue.CATALOGUE)
    ]


@pytest.mark.parametrize("gate", Gate)
def test_every_gate_has_words_for_everyone(gate):
    assert str(explain.OPERATOR[gate]).endswith(".")
    said = str(explain.PUPIL[gate])
    assert said.endswith(".")
    assert said[0].islower()


def test_every_claim_is_in_exactly_one_line_of_the_childs_page():
    told = Counter(claim for topic in explain.TOPICS for claim in topic.claims)
    assert told == Counter(catalogue.NAMES)


def test_a_child_reads_values_and_the_reason_of_the_app():
    gets, not_gets = explain.for_pupil(APP, answers())
    assert not_gets == ()
    lines = {str(line.label): line for line in gets}
    assert lines["Je naam"].value == "Noor Peeters"
    assert lines["Je naam"].why == "om je te begroeten"
    assert lines["Je klas"].value == "3A, Frans"
    assert lines["Je nummers van LeerID"].value is None
    assert lines["Je school"].why == "De app zei niet waarvoor."
    assert lines["Een nummer, alleen voor deze app"].why == "Zo kent de app jou terug."


def test_a_child_reads_why_not():
    closed = {"ov_klassen": Gate.SCHOOL_DOES_NOT_SHARE, "ov_orgcode": Gate.NOT_REGISTERED}
    gets, not_gets = explain.for_pupil(APP, answers(**closed))
    assert [(str(line.label), str(line.because)) for line in not_gets] == [
        ("Je klas", "je school deelt je klas niet.")
    ]
    assert "Je school" in {str(line.label) for line in gets}


def test_of_several_closed_claims_the_one_that_came_furthest_gives_the_reason():
    closed = {"name": Gate.UNKNOWN, "given_name": Gate.NOT_REQUESTED, "family_name": Gate.NOT_REGISTERED}
    _, not_gets = explain.for_pupil(APP, answers(**closed))
    assert str(not_gets[0].because) == str(explain.PUPIL[Gate.UNKNOWN])


def test_a_part_of_the_name_is_shown_when_the_whole_is_not_released():
    gets, _ = explain.for_pupil(APP, answers(name=Gate.NOT_REGISTERED, family_name=Gate.NOT_REGISTERED))
    assert gets[0].value == "x"


def test_an_operator_reads_every_claim_without_values():
    lines = explain.for_operator(answers(ov_klassen=Gate.NOT_ENROLLED))
    assert [line.claim for line in lines] == [claim.name for claim in catalogue.CATALOGUE]
    (klas,) = [line for line in lines if line.claim == "ov_klassen"]
    assert (klas.word, klas.klasinformatie) == ("not_enrolled", True)
    assert klas.because is explain.OPERATOR[Gate.NOT_ENROLLED]
    assert not [line for line in lines if stands("Noor", str(line))]
