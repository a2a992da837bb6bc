"""`idp throttle`: what an operator sees of wrong tries, and opens."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from idp import audit, cli, config, context, upgrading
from idp.login import sign_in
from tests import make_login

CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1"}


@pytest.fixture
def folder(tmp_path, key_folder):
    """An installation with one pupil, on whose name a stranger guessed twelve times."""
    (tmp_path / config.FILE).write_text(f'keys = "{key_folder}"\n')
    house = context.open_house(config.read(CHEAP, data=tmp_path))
    upgrading.upgrade(house.database)
    now = house.clock.now()
    with audit.circumstances(audit.Circumstances(now=now, actor="system", source="test")):
        make_login.pupil(house, "noor.peeters")
        for number in range(12):
            sign_in.prove(house, make_login.attempt(secret=f"wrong {number}"))
    house.database.close()
    return tmp_path


def _idp(folder, *words, code=0):
    done = CliRunner().invoke(cli.main, ["throttle", *words, "--data", str(folder)], env=CHEAP)
    assert done.exit_code == code, done.output
    return done.stdout


def test_an_operator_sees_what_strangers_closed_and_opens_it(folder):
    shown = json.loads(_idp(folder, "show", "--pupil", "noor.peeters", "--json"))
    assert shown["strangers"]["wrong"] == 10
    assert shown["strangers"]["closed_until"]
    assert shown["month"] == {"different_wrong_secrets": 10, "closed": False}
    assert "unknown browsers" in _idp(folder, "show", "--pupil", "noor.peeters")
    assert "opened: stranger" in _idp(folder, "release", "--pupil", "noor.peeters")
    assert "nothing" in _idp(folder, "release", "--pupil", "noor.peeters")
    assert json.loads(_idp(folder, "show", "--pupil", "noor.peeters", "--json"))["strangers"]["wrong"] == 0
    with closing(sqlite3.connect(folder / "idp.sqlite")) as db:
        ((school,),) = db.execute("SELECT instellingsnummer FROM enrolment")
    assert "nobody" in _idp(folder, "show", "--school", school)
    _idp(folder, "show", "--school", "1", code=1)


def test_nobody_is_nobody(folder):
    _idp(folder, "release", "--pupil", "no.body", code=1)
    _idp(folder, "show", code=2)
