"""The Argon2 that this machine runs, perhaps built here by tools/quick_argon2.py, computes what everybody's does."""

import ctypes
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from idp import listening

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import argon2_served  # noqa: E402
import quick_argon2  # noqa: E402


@settings(max_examples=60, deadline=None)
@given(
    secret=st.binary(max_size=64),
    salt=st.binary(min_size=8, max_size=32),
    passes=st.integers(1, 3),
    lanes=st.integers(1, 4),
    memory=st.integers(32, 1_200),
    length=st.integers(16, 64),
)
def test_our_argon2_equals_the_one_of_openssl(secret, salt, passes, lanes, memory, length):
    other = Argon2id(salt=salt, length=length, iterations=passes, lanes=lanes, memory_cost=memory)
    assert hash_secret_raw(secret, salt, passes, memory, lanes, length, Type.ID) == other.derive(secret)


def test_at_the_cost_of_a_sign_in_too():
    other = Argon2id(salt=b"s" * 16, length=32, iterations=2, lanes=1, memory_cost=19456)
    assert hash_secret_raw(b"p" * 32, b"s" * 16, 2, 19456, 1, 32, Type.ID) == other.derive(b"p" * 32)


def test_it_is_built_from_the_source_that_is_pinned_with_tools_that_are_pinned():
    first, *hashes = quick_argon2._pinned().splitlines()
    assert re.fullmatch(r"argon2-cffi-bindings==[0-9.]+ \\", first)
    assert len(hashes) > 1
    assert all(line.startswith("    --hash=sha256:") for line in hashes)
    tools = quick_argon2.TOOLS.read_text(encoding="utf-8")
    assert {"cmake", "ninja", "scikit-build-core", "setuptools-scm"} <= set(
        re.findall(r"^([a-z-]+)==", tools, re.MULTILINE)
    )


@pytest.mark.parametrize("name", sorted(argon2_served.CHANGES))
def test_our_lines_go_only_into_the_source_that_they_were_made_for(name):
    changes = argon2_served.CHANGES[name]
    places = "\n".join(wanted * times for wanted, times, _ in changes)
    made = argon2_served.served(name, places)
    for wanted, times, change in changes:
        assert made.count(change.replace("{}", wanted).strip()) >= times
        with pytest.raises(ValueError, match=rf"{re.escape(name)} is another one"):
            argon2_served.served(name, places.replace(wanted, "", 1))


def test_speed_is_measured_as_the_server_has_its_memory():
    assert quick_argon2.AS_SERVED == listening.MEMORY


def test_a_hash_may_take_turns_here_and_nothing_of_that_stays_with_its_thread():
    """On Linux a hash asks for short turns, and gives them back: of `sched_getattr` 48 bytes (sched(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = 315 if platform.machine() == "x86_64" else 275
    attributes = ctypes.create_string_buffer(48)
    seen = []
    for _ in range(2):
        if libc.syscall(number, 0, attributes, 48, 0) != 0:
            pytest.skip("this system does not say how long a turn is")
        seen.append(attributes.raw)
        hash_secret_raw(b"p" * 32, b"s" * 16, 2, 19456, 1, 32, Type.ID)
    assert seen[0] == seen[1]


def test_many_hashes_at_once_are_right_each():
    secrets = [b"%d" % number for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        hashes = list(
            pool.map(lambda one: hash_secret_raw(one, b"s" * 16, 2, 4_096, 1, 32, Type.ID), secrets)
        )
    cost = {"salt": b"s" * 16, "length": 32, "iterations": 2, "lanes": 1, "memory_cost": 4_096}
    assert hashes == [Argon2id(**cost).derive(secret) for secret in secrets]


def test_without_a_compiler_it_says_so_and_leaves_everything_as_it_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CC", str(tmp_path / "no-such-compiler"))
    assert quick_argon2.main([]) == 0
    assert "stays as it came" in capsys.readouterr().out


def test_an_image_needs_no_newer_processor_than_the_wheel_unless_whoever_builds_it_asks():
    steps = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    (step,) = (line for line in steps if line.startswith("RUN ") and "quick_argon2" in line)
    assert step.startswith('RUN if [ "$QUICK_ARGON2" = yes ]; then ')
    assert "ARG QUICK_ARGON2=no" in steps


@pytest.mark.parametrize(
    ("version", "origin", "built"),
    [
        (None, f'{{"url": "file:///tmp/x/argon2-1-{quick_argon2.BUILD}-any.whl"}}', True),
        (None, '{"url": "file:///tmp/x/argon2-1-any.whl"}', False),
        (None, None, False),
        ("0.1", f'{{"url": "file:///tmp/x/argon2-1-{quick_argon2.BUILD}-any.whl"}}', False),
    ],
    ids=["built here", "built here on an earlier day", "from the registry", "an older one, built here"],
)
def test_what_was_built_here_is_not_built_again(monkeypatch, tmp_path, version, origin, built):
    version = version or re.match(r".*==([0-9.]+)", quick_argon2._pinned())[1]
    folder = tmp_path / f"argon2_cffi_bindings-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: argon2-cffi-bindings\nVersion: {version}\n"
    )
    if origin:
        (folder / "direct_url.json").write_text(origin)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert quick_argon2._built_here() is built
