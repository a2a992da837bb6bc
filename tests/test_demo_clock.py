"""The clock of a demo can be moved, for all its processes; no other installation has one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner

from idp import cli, clock, config, context

AN_HOUR = timedelta(hours=1)


def _run(data, *words, code=0, **env):
    done = CliRunner().invoke(cli.main, ["demo-clock", *words, "--data", str(data)], env=env)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def demo_folder(tmp_path):
    (tmp_path / config.FILE).write_text("demo = true\n")
    return tmp_path


def test_every_process_of_a_demo_follows_its_clock(demo_folder, key_folder):
    settings = config.read({}, data=demo_folder, keys=key_folder)
    houses = [context.open_house(settings) for _ in range(2)]
    before = clock.Clock().now()
    assert "ahead: 1:00:00" in _run(demo_folder, "+1h")
    assert all(AN_HOUR <= house.clock.now() - before < AN_HOUR * 1.5 for house in houses)
    _run(demo_folder, "+2d")
    _run(demo_folder, "-90m")
    ahead = timedelta(days=2, minutes=-30)
    assert all(ahead <= house.clock.now() - before < ahead + AN_HOUR for house in houses)
    assert "ahead: 0:00:00" in _run(demo_folder, "reset")
    assert all(house.clock.now() - before < AN_HOUR / 2 for house in houses)
    for house in houses:
        house.database.close()


def test_time_that_is_measured_does_not_jump(demo_folder, key_folder):
    house = context.open_house(config.read({}, data=demo_folder, keys=key_folder))
    before = house.clock.monotonic()
    _run(demo_folder, "+1h")
    assert house.clock.monotonic() - before < 1800
    house.database.close()


@pytest.mark.parametrize("line", ["", 'issuer = "https://id.example.org"\n'])
def test_no_other_installation_has_such_a_clock(tmp_path, key_folder, line):
    (tmp_path / config.FILE).write_text(line)
    (tmp_path / "demo-clock").write_text("3600")
    settings = config.read({}, data=tmp_path, keys=key_folder)
    house = context.open_house(settings)
    assert settings.demo_clock is None
    assert type(house.clock) is clock.Clock
    assert house.clock.now() - clock.Clock().now() < AN_HOUR / 2
    house.database.close()
    assert "only a demo" in _run(tmp_path, "+1h", code=2)
    assert (tmp_path / "demo-clock").read_text() == "3600"


def test_a_demo_that_is_not_on_this_machine_is_no_demo(tmp_path):
    (tmp_path / config.FILE).write_text('demo = true\nissuer = "https://id.example.org"\n')
    assert "demo" in _run(tmp_path, "+1h", code=2)


@pytest.mark.parametrize("words", ["an hour", "+1", "h", "+9999999h", "+900000d"])
def test_what_is_no_length_of_time_moves_nothing(demo_folder, words):
    _run(demo_folder, words, code=2)
    assert not (demo_folder / "demo-clock").exists()


@pytest.mark.parametrize("broken", ["", "soon", "nan", "inf", "1e99", "\x00"])
def test_a_broken_file_moves_nothing(tmp_path, broken):
    (tmp_path / "demo-clock").write_text(broken)
    assert clock.Shifted(tmp_path / "demo-clock").shift() == timedelta()


def test_PWD_01_hashes_that_are_too_cheap_are_for_this_machine_only():
    cheap = {"argon2_memory_kib": 8192, "argon2_time": 1}
    assert config.read({}, **cheap).argon2_time == 1
    with pytest.raises(config.ConfigurationError, match="OWASP"):
        config.read({}, issuer="https://id.example.org", **cheap)
    assert config.read({}, issuer="https://id.example.org", argon2_memory_kib=12288, argon2_time=3)
