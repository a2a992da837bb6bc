"""Where do the parts of a backup lie in clear while it is made, opened or brought back? Here, and nowhere afterwards.

Told to stop (SIGTERM, SIGHUP) it clears up, too. What a machine leaves that loses its power is cleared away a day later, by
the next work of this kind there, by `idp serve` and by `idp tidy`: names of pupils would outlive their retention in it.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Never

KINDS = ("backup-", "backup-check-", "restore-")
_MARK = ".parts"
LEFT = timedelta(days=1)
"""Nobody is at it any more when nothing in it changed for so long."""


@contextmanager
def laid_out(kind: str, beside: Path | None, now: datetime | None = None) -> Iterator[Path]:
    """An empty folder, ours alone, that goes when the block ends. `beside`: where; None: the system's folder for such files."""
    if beside is not None and now is not None:
        clear(beside, now)
    with _told_to_stop(), tempfile.TemporaryDirectory(prefix=kind, suffix=_MARK, dir=beside) as folder:
        yield Path(folder)


def clear(beside: Path, now: datetime) -> int:
    """Delete what was left on a workbench that nobody came back to. Returns how many."""
    count = 0
    for folder in [path for kind in KINDS for path in beside.glob(f"{kind}*{_MARK}")]:
        with suppress(OSError):  # somebody else's, or just gone
            if now.timestamp() - max(path.lstat().st_mtime for path in (folder, *folder.rglob("*"))) > (
                LEFT.total_seconds()
            ):
                shutil.rmtree(folder)
                count += 1
    return count


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Whoever is told to stop meanwhile leaves as at the end of a block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    told = [one for one in known if signal.getsignal(one) is signal.SIG_DFL]  # nohup stays what it is
    for one in told:
        signal.signal(one, _leave)
    try:
        yield
    finally:
        for one in told:
            signal.signal(one, signal.SIG_DFL)


def _leave(number: int, _frame: Any) -> Never:
    sys.exit(128 + number)
