"""What lies in clear while a backup is made goes with it, whoever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from idp.backups import workbench
from idp.errands import job_worker

AT_WORK = """
import pathlib, signal, sys, time
from idp.backups import workbench
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup lets them hear nothing of it
with workbench.laid_out("backup-", pathlib.Path(sys.argv[1])) as folder:
    (folder / "database").write_bytes(b"names of pupils")
    print("at work", flush=True)
    time.sleep(60)
"""


def at_work(folder):
    process = subprocess.Popen([sys.executable, "-c", AT_WORK, str(folder)], stdout=subprocess.PIPE)
    with process.stdout as said:
        assert said.readline() == b"at work\n"
    return process


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_stop_leaves_nothing_in_clear(tmp_path, told):
    process = at_work(tmp_path)
    process.send_signal(told)
    assert process.wait(30) == 128 + told
    assert not [*tmp_path.iterdir()]


def test_what_a_machine_left_that_lost_its_power_goes_a_day_later_and_nothing_else_does(tmp_path):
    process = at_work(tmp_path)
    process.kill()
    process.wait(30)
    (left,) = tmp_path.iterdir()
    (tmp_path / "backup-of-mine").mkdir()
    now = datetime.now(UTC)
    assert workbench.clear(tmp_path, now + timedelta(hours=23)) == 0
    os.utime(left, (0, 0))
    assert workbench.clear(tmp_path, now + timedelta(hours=23)) == 0, "somebody writes in a file of it"
    with workbench.laid_out("backup-", tmp_path, now + timedelta(hours=25)):
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["backup-of-mine"]


def test_every_machine_that_serves_clears_its_own_workbench_and_journal(house):
    left = house.settings.data / "restore-abc.parts"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    old = house.settings.journal_folder / "journal-2020-01-01.jsonl"
    old.parent.mkdir(exist_ok=True)
    old.touch()
    worker = job_worker.Worker(house, (), every=0.02, patient_every=0.02)
    worker.start()
    gone = threading.Event()
    try:
        for _ in range(1500):
            if not left.exists() and not old.exists():
                gone.set()
                break
            gone.wait(0.02)
    finally:
        worker.stop()
    assert gone.is_set()
