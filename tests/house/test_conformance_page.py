"""The page about conformance and the tests of it name the same modules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "conformance.md"
STATES = {"passes", "passed by", "does not pass"}
SELF = "_of_an_app_that_registered_itself"
PLANS = {
    "Basic OP": 38,
    "Config OP": 1,
    "Dynamic OP": 23,
    "RP-Initiated Logout OP": 11,
    "Back-Channel Logout OP": 2,
    "3rd-Party-Init Login OP": 2,
}
"""How many modules each plan has, without its variants."""


def rows():
    """Every row of every table: (plan, module, state)."""
    plan = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            plan = line.removeprefix("## ")
        if cells := re.fullmatch(r"\| `(oidcc-[^`]+)` \|.+?\| ([a-z ]+)(?:[:;,.(].*)? \|", line):
            yield plan, cells[1], cells[2].strip()


def names_of_tests():
    for path in sorted((ROOT / "tests" / "conformance").glob("test_*.py")):
        for part in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(part, ast.FunctionDef) and part.name.startswith("test_oidcc_"):
                yield part.name


def name_of(module):
    return "test_" + module.replace("-", "_")


def test_every_module_on_the_page_has_its_test_and_every_test_its_row():
    names = [*names_of_tests()]
    assert len({*names}) == len(names)
    assert {name.removesuffix(SELF) for name in names} == {name_of(module) for _, module, _ in rows()}


def test_a_module_of_the_dynamic_plan_that_the_basic_plan_has_too_is_tried_with_an_app_that_registered_itself():
    both = {module for plan, module, _ in rows() if plan == "Dynamic OP"}
    both &= {module for plan, module, _ in rows() if plan == "Basic OP"}
    registers_itself = {"oidcc-idtoken-unsigned"}
    wanted = {name_of(module) + SELF for module in both - registers_itself}
    assert {name for name in names_of_tests() if name.endswith(SELF)} == wanted


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_is_complete_and_every_state_is_one_of_three(plan):
    mine = [(module, state) for of, module, state in rows() if of == plan]
    assert len({module for module, _ in mine}) == len(mine) == PLANS[plan]
    assert {state for _, state in mine} <= STATES


def test_no_module_stands_under_another_heading():
    assert {plan for plan, _, _ in rows()} == {*PLANS}
