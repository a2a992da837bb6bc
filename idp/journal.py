"""Which acts must outlive a restored database? Whatever took something away, in files beside the database.

A backup is older than the database that it replaces: whoever was blocked, whatever was withdrawn in between would be
back. So these events of the audit trail are also appended here, after their transaction committed, and
`backups/taken_back.py` does them again after a restore. Ids and codes only, like the trail itself. Keep the folder on
another disk than the database, or copy it away often (docs/backups.md).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
import structlog

log = structlog.get_logger(__name__)


class Kind(StrEnum):
    """What an event of the audit trail means for a database that comes back from before it."""

    TAKES = "takes"
    """Something or somebody can do less since: it is done again after a restore."""
    RETURNS = "returns"
    """Undoes one that takes: without it, the taking would be done again wrongly."""
    GIVES = "gives"
    """Somebody can do more since: lost with the restored database, and to be given again."""
    TELLS = "tells"
    """Changes nothing of what anybody can do, or only of what a restore cuts off anyway."""


KINDS: dict[str, Kind] = {
    event: kind
    for kind, events in {
        Kind.TAKES: """
            account_blocked address_removed app_changed app_disabled app_made_invisible app_removed
            app_secret_ended app_secret_renewed card_alone_stopped card_voided device_revoked feed_client_changed
            package_named password_changed password_reset right_narrowed right_stopped school_kept secret_renewed
            sharing_stopped signing_key_retired staff_recovery_code_used staff_set_up staff_way_changed
            supplier_changed
        """,
        Kind.RETURNS: """
            account_unblocked app_enabled app_made_visible app_registered card_alone_allowed right_given
        """,
        Kind.GIVES: """
            account_created address_confirmed app_change_requested card_issued classes_imported device_enrolled
            directors_imported enrolments_imported feed_client_made help_given initial_token_issued
            operator_token_issued protocol_published sharing_given signing_key_made staff_invited
        """,
        Kind.TELLS: """
            accounts_merged address_asked app_change_decided app_logo_changed app_refused authorization_refused
            backup_made breach_reported card_refused cards_printed code_replayed deliveries_missing delivery_held
            delivery_refused device_code_given device_code_refused directors_missing device_renamed everyone_signed_out extract_given
            help_refused hold_decided identifiers_fetched initial_token_revoked logout_given_up logout_not_delivered
            mail_given_up operator_token_refused operator_token_revoked papers_fetched pupil_exported pupil_seen
            pupils_listed refresh_replayed registration_refused reset_asked restored roster_exported sandbox_changed school_extract_given
            sign_in_failed sign_in_needs_help sign_in_released sign_in_slowed sign_out_refused signed_in signed_out
            staff_proved_again staff_refused staff_sign_in_failed staff_sign_in_slowed staff_signed_in
            staff_signed_out tidied trail_exported username_changed verify_acknowledged
            verify_alarmed_again words_first
        """,
    }.items()
    for event in events.split()
}
"""Every event of the audit trail; a new one that is not here does not pass `tests/house`."""
EVENTS = frozenset(event for event, kind in KINDS.items() if kind in {Kind.TAKES, Kind.RETURNS})
"""Acts that take something away, and those that give the same thing back."""
KEPT_DAYS = 400
"""A backup older than this is not restored any more."""
_WAITING = "journal"
_NAME = "journal-%Y-%m-%d.jsonl"


class Journal:
    """The files of this installation, one a day (UTC), written by every process and readable by us alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, events: list[dict[str, Any]]) -> None:
        """Append and wait for the disk. What cannot be written is said in the log: the act itself stands."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for event in events:
                path = self.folder / event["at"].strftime(_NAME)
                file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    size = os.fstat(file).st_size
                    # never behind one that broke off on a full disk
                    begun = b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
                    line = begun + orjson.dumps(event) + b"\n"
                    if os.write(file, line) != len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(file)
                finally:
                    os.close(file)
        except OSError as failure:
            log.error("journal_not_written", events=len(events), why=failure.strerror)  # noqa: TRY400 - one line

    def tidy(self, now: datetime) -> int:
        """Delete the files that no backup needs any more. Returns how many."""
        oldest = (now - timedelta(days=KEPT_DAYS)).strftime(_NAME)
        old = [path for path in self.folder.glob("journal-*.jsonl") if path.name < oldest]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def read(folders: list[Path], moment: datetime) -> Iterator[dict[str, Any]]:
    """The events of several nodes from this moment on, oldest first; a line that broke off is left out."""
    found = []
    first = moment.astimezone(UTC).strftime(_NAME)
    for folder in folders:
        for path in sorted(folder.glob("journal-*.jsonl")):
            if path.name >= first:
                found += [event for line in path.read_bytes().splitlines() if (event := _event(line))]
    found = [event for event in found if event["at"] >= moment]
    yield from sorted(found, key=lambda event: event["at"])


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = orjson.loads(line)
        event["at"] = datetime.fromisoformat(event["at"])
    except (ValueError, KeyError, TypeError):
        return None
    return event


def note(info: dict[Any, Any], event: Mapping[str, Any]) -> None:
    """Remember an event of the running transaction (`Connection.info`), when it is one of EVENTS."""
    if event["event"] in EVENTS:
        wanted = ("at", "event", "actor", "object", "instellingsnummer", "details")
        info.setdefault(_WAITING, []).append({name: event[name] for name in wanted})


def forget(info: dict[Any, Any]) -> None:
    """A transaction begins: what an earlier one noted and did not commit never happened."""
    info.pop(_WAITING, None)


def noted(info: dict[Any, Any]) -> list[dict[str, Any]]:
    """What the transaction that just committed noted."""
    return info.pop(_WAITING, None) or []
