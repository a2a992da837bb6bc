"""How do files become one sealed file that only the holder of an identity opens? A tar, inside age (age-encryption.org).

Both ways stream: memory stays flat however large a database is. Whoever makes backups needs only the public recipient
(`age1…`); the identity (`AGE-SECRET-KEY-1…`) stays where restores are made.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyrage

from idp.errors import Invalid

_CHUNK = 1 << 20


def new_identity() -> tuple[str, str]:
    """(identity, recipient): keep the first away from this machine, give the second to `idp backup`."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipients(texts: Iterable[str]) -> list[Any]:
    """Raises Invalid `backup_recipient`."""
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError:
            raise Invalid("backup_recipient", f"{text[:80]}: an age recipient begins with age1") from None
    return found


def identities(file: Path) -> list[Any]:
    """Every identity in a file, comments left out. Raises Invalid `backup_identity`."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        found = [
            pyrage.x25519.Identity.from_str(line.strip())
            for line in lines
            if line.strip() and not line.startswith("#")
        ]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise Invalid("backup_identity", f"{file}: no line AGE-SECRET-KEY-1… in it")
    return found


def seal(target: Path, members: Iterable[tuple[str, Path]], to: list[Any]) -> None:
    """Write the members, in this order, into a new file that we alone may read.

    Raises FileExistsError, and Invalid `backup_target` when there is no room for it.
    """
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with _piped(lambda pipe: _pack(pipe, members)) as plain:
            try:
                pyrage.encrypt_io(plain, out, to)
            except pyrage.EncryptError as failure:
                raise Invalid("backup_target", f"{target}: {str(failure)[:200]}") from None
        out.flush()
        os.fsync(out.fileno())


def open_into(source: Path, folder: Path, with_: list[Any]) -> list[str]:
    """Take everything out, into an empty folder; returns the names in their order.

    Raises Invalid `backup_closed` (another identity opens it) and `backup_broken` (not whole, or not a backup of ours).
    """
    names: list[str] = []
    try:
        with source.open("rb") as sealed, _piped(lambda pipe: _open(sealed, pipe, with_)) as plain:
            with tarfile.open(fileobj=plain, mode="r|") as box:
                for member in box:
                    _take_out(box, member, folder)
                    names.append(member.name)
            while plain.read(_CHUNK):
                """To the end: only then is it known that the file is whole."""
    except (tarfile.TarError, EOFError, FileExistsError) as failure:
        raise Invalid("backup_broken", str(failure)[:200]) from None
    return names


def _take_out(box: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """One file, for us alone, and never outside the folder. (tarfile's own filters came with Python 3.11.4.)"""
    content, target = box.extractfile(member) if member.isfile() else None, folder / member.name
    if content is None or not target.resolve().is_relative_to(folder.resolve()):
        raise Invalid("backup_broken", f"{member.name[:80]} is not a file of a backup")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(content, out, _CHUNK)


def _pack(pipe: BinaryIO, members: Iterable[tuple[str, Path]]) -> None:
    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as box:
        for name, path in members:
            line = tarfile.TarInfo(name)
            line.size, line.mode = path.stat().st_size, 0o600
            with path.open("rb") as content:
                box.addfile(line, content)


def _open(sealed: BinaryIO, pipe: BinaryIO, with_: list[Any]) -> None:
    try:
        pyrage.decrypt_io(sealed, pipe, with_)
    except BrokenPipeError:
        """Whoever reads gave up, and says why."""
    except pyrage.DecryptError as failure:
        closed = "matching keys" in str(failure)
        raise Invalid("backup_closed" if closed else "backup_broken", str(failure)[:200]) from None
    except OSError as failure:
        raise Invalid("backup_broken", str(failure)[:200]) from None


@contextmanager
def _piped(work: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """What `work` writes in a thread can be read here; its exception comes out here, first."""
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        with (
            suppress(BrokenPipeError),
            os.fdopen(writing, "wb", _CHUNK) as pipe,
        ):  # closing writes what is left
            try:
                work(pipe)
                pipe.flush()
            except BaseException as failure:  # noqa: BLE001 - carried over to the other thread
                failed.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    with os.fdopen(reading, "rb", _CHUNK) as pipe:
        thread.start()
        try:
            yield pipe
        except Exception:
            pipe.close()
            thread.join()
            if failed and not isinstance(failed[0], BrokenPipeError):
                raise failed[0] from None
            raise
        thread.join()
    if failed:
        raise failed[0]
