"""A sealed box that somebody else packed: nothing of it comes outside the folder, or over something that is there."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile

import pyrage
import pytest

from idp.backups import box
from idp.errors import Invalid


def packed(tmp_path, *members: tuple[str, bytes]):
    """(file, identities): a box with these members, packed by a stranger; (name, type of tar)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, kind in members:
            line = tarfile.TarInfo(name)
            line.type, line.linkname = kind, "/etc/passwd"
            line.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(line, io.BytesIO(b"evil"))
    identity, recipient = box.new_identity()
    file, keeper = tmp_path / "box.age", tmp_path / "identity"
    file.write_bytes(pyrage.encrypt(plain.getvalue(), box.recipients([recipient])))
    keeper.write_text(identity, encoding="utf-8")
    return file, box.identities(keeper)


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", tarfile.REGTYPE)],
        [("keys/../../outside", tarfile.REGTYPE)],
        [("/outside-of-everything", tarfile.REGTYPE)],
        [("link", tarfile.SYMTYPE)],
        [("link", tarfile.LNKTYPE)],
        [("pipe", tarfile.FIFOTYPE)],
        [("folder", tarfile.DIRTYPE)],
        [("twice", tarfile.REGTYPE), ("twice", tarfile.REGTYPE)],
    ],
    ids=["up", "down and up", "absolute", "symbolic link", "hard link", "pipe", "folder", "twice"],
)
def test_a_box_of_a_stranger_never_writes_outside_its_folder_or_twice(tmp_path, members):
    file, identities = packed(tmp_path, *members)
    (folder := tmp_path / "inside").mkdir()
    before = {*tmp_path.iterdir()}
    with pytest.raises(Invalid) as refused:
        box.open_into(file, folder, identities)
    assert refused.value.code == "backup_broken"
    assert {*tmp_path.iterdir()} == before
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_what_comes_out_is_ours_alone(tmp_path):
    file, identities = packed(tmp_path, ("keys/pepper-1", tarfile.REGTYPE), ("idp.toml", tarfile.REGTYPE))
    (folder := tmp_path / "inside").mkdir()
    assert box.open_into(file, folder, identities) == ["keys/pepper-1", "idp.toml"]
    for name in ("keys/pepper-1", "idp.toml"):
        assert (folder / name).read_bytes() == b"evil"
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700


def test_FAULT_06_a_box_for_which_there_is_no_room_is_refused_in_one_sentence(tmp_path):
    """Files may not grow beyond 100 KB here: what is met then is what a full disk gives."""
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    script = """
import resource, sys, pathlib
from idp.backups import box
from idp.errors import Invalid
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
there = pathlib.Path(sys.argv[1])
try:
    box.seal(there / "box.age", [("large", there / "large")], box.recipients([box.new_identity()[1]]))
except Invalid as no:
    print(no.code, no.detail)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"backup_target {tmp_path / 'box.age'}: ")
    assert "File too large" in done.stdout
    assert done.stderr == ""
