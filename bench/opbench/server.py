"""Start and stop a peer, pinned to one core, and wait until it answers."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.request


class Server:
    def __init__(self, provider, core=0, log="/tmp/opbench-server.log"):
        self.p, self.core, self.log = provider, core, log
        self.proc = None
        self.beside = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.beside.enter_context(self.p.beside(self.core))
            return self._start()
        except BaseException:
            self.__exit__()
            raise

    def _start(self):
        env = dict(os.environ, **self.p.env)
        if self.p.reset:
            subprocess.run(
                self.p.reset,
                check=True,
                env=env,
                cwd=self.p.cwd,
                stdout=open(self.log + ".reset", "wb"),
                stderr=subprocess.STDOUT,
            )
        if self.p.start:
            pin = ["taskset", "-c", str(self.core)] if self.core is not None else []
            self.proc = subprocess.Popen(
                pin + self.p.start,
                env=env,
                cwd=self.p.cwd,
                stdin=subprocess.DEVNULL,
                stdout=open(self.log, "wb"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.time() + self.p.ready_timeout
        while True:
            try:
                with urllib.request.urlopen(self.p.discovery(), timeout=5) as r:
                    r.read()
                break
            except OSError as exc:
                if self.proc is not None and self.proc.poll() is not None:
                    raise RuntimeError(f"{self.p.name} exited, see {self.log}") from exc
                if time.time() > end:
                    raise RuntimeError(f"{self.p.name} not ready, see {self.log}") from exc
                time.sleep(0.2)
        self.started = time.time()
        if self.p.settle:
            time.sleep(self.p.settle)
        return self

    @property
    def roots(self):
        pids = [self.proc.pid] if self.proc else list(self.p.pids)
        for path in self.p.extra_pidfiles:
            with open(path) as f:
                pids.append(int(f.readline()))
        return pids

    def __exit__(self, *exc):
        with self.beside:
            self._stop()

    def _stop(self):
        if self.proc is None or self.proc.poll() is not None:
            return
        os.killpg(self.proc.pid, signal.SIGTERM)  # our own session only
        try:
            self.proc.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
