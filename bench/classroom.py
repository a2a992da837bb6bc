#!/usr/bin/env python3
"""Signing in at the real cost of Argon2: does timing tell who exists, and does a class starve the tokens?

    classroom.py timing     unknown, wrong and right names side by side, interleaved, one at a time
    classroom.py burst      30 sign-ins within 5 seconds, and what /token takes meanwhile

Both start `idp serve` with its defaults in a folder of their own, on this machine only.
"""

import argparse
import base64
import http.client
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from opbench.provider import Provider
from prepare import main as prepare
from sqlalchemy import insert, select

from idp import config, context, entropy
from idp.models import Account, AccountType, Enrolment, Pupil, School, SecretKind

RIGHT = "kat appel trein kasteel"
PORT = 9140


def pupils(folder, count):
    """So many pupils with pictures, who share one hash; returns their user names."""
    house = context.open_house(config.read(data=folder))
    now, today = house.clock.now(), house.clock.today()
    stored = house.hasher.hash(RIGHT)
    names = []
    with house.database.transaction() as db:
        school = db.execute(select(School.instellingsnummer)).scalars().first()
        for number in range(count):
            who, name = entropy.identifier(), f"klas.{number}"
            db.execute(insert(Pupil), {"account_uuid": who, "created_at": now})
            enrolment = {"id": entropy.row_id(), "account_uuid": who, "instellingsnummer": school}
            enrolment |= {"stamnummer": f"b{number}", "voornaam": "Kind", "naam": "Klas", "changed_at": now}
            enrolment |= {
                "hoofdstructuur": "211",
                "administratieve_groep": "3",
                "administratieve_groep_code": "3",
            }
            enrolment |= {"begindatum": today, "einddatum": today + timedelta(days=9)}
            db.execute(insert(Enrolment), enrolment)
            account = {"account_uuid": who, "username": name, "type": AccountType.BASIC, "created_at": now}
            account |= {"secret_kind": SecretKind.PICTURE, "secret_hash": stored.hash, "secret_set_at": now}
            db.execute(insert(Account), account | {"pepper_id": stored.pepper_id})
            names.append(name)
    house.database.close()
    return names


class Browser:
    """A browser that nobody used before, one connection, at the page with the pictures."""

    def __init__(self, name):
        self.line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        self.cookies = {}
        page = self.ask("GET", "/aanmelden")[2]
        self.word = unescape(re.search(r'name="csrf_token" value="([^"]+)"', page)[1])
        location = self.ask("POST", "/aanmelden", {"csrf_token": self.word, "username": name})[1]["Location"]
        self.wie = parse_qs(urlsplit(location).query)["wie"][0]

    def ask(self, method, path, form=None):
        headers = {"Host": f"localhost:{PORT}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.line.request(method, path, urlencode(form) if form else None, headers)
        answer = self.line.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers, answer.read().decode()

    def prove(self, secret):
        return self.ask("POST", "/aanmelden", {"csrf_token": self.word, "wie": self.wie, "password": secret})


class Serving:
    def __init__(self, folder):
        self.log = (folder / "serve.log").open("wb")
        command = [str(Path(sys.executable).parent / "idp"), "serve", "--data", str(folder)]
        env = {**os.environ, "IDP_LOG_LEVEL": "WARNING"}
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=env, start_new_session=True
        )

    def __enter__(self):
        for _ in range(300):
            try:
                line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
                line.request("GET", "/.well-known/openid-configuration")
                if line.getresponse().status == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server did not start, see serve.log")

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)  # our own session only
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def timing(names, rounds):
    took = {"unknown": [], "wrong": [], "right": []}
    for number in range(rounds):
        name = names[number % len(names)]
        tries = [("unknown", f"niemand.{number}", f"fout {number}"), ("wrong", name, f"fout {number}")]
        tries += [("right", name, RIGHT)]
        random.shuffle(tries)
        for kind, who, secret in tries:
            browser = Browser(who)
            begin = time.perf_counter()
            status = browser.prove(secret)[0]
            took[kind].append((time.perf_counter() - begin) * 1000)
            browser.line.close()
            assert status == (303 if kind == "right" else 401), (kind, status)
    print(f"{'ms':>10} {'p5':>8} {'p25':>8} {'median':>8} {'p75':>8} {'p95':>8}   of {rounds}")
    for kind, values in took.items():
        row = "".join(f" {quantile(values, part):8.1f}" for part in (0.05, 0.25, 0.5, 0.75, 0.95))
        print(f"{kind:>10}{row}")
    # how often would somebody who sees one answer be right about which of the two it was? 50 % is a coin.
    border = statistics.median(took["unknown"] + took["wrong"])
    above = sum(value > border for value in took["wrong"]) + sum(value <= border for value in took["unknown"])
    share = above / (2 * rounds)
    print(
        f"telling wrong from unknown by one answer: {100 * max(share, 1 - share):.0f} % right (50 % is a coin)"
    )


def tokens(stop, took):
    """An app that asks for a token twenty times a second."""
    credentials = base64.b64encode(f"{Provider.client_id}:{Provider.client_secret}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}
    line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    while not stop.is_set():
        begin = time.perf_counter()
        line.request("POST", "/token", "grant_type=client_credentials", headers)
        answer = line.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        took.append(time.perf_counter() - begin)
        stop.wait(0.05)


def burst(names, seconds):
    browsers = [Browser(name) for name in names]
    stop, token_times, before = threading.Event(), [], []
    quiet = threading.Event()
    idle = threading.Thread(target=tokens, args=(quiet, before))
    idle.start()
    time.sleep(3)
    quiet.set()
    idle.join()
    app = threading.Thread(target=tokens, args=(stop, token_times))
    app.start()
    busy = []

    def child(place):
        time.sleep(seconds * place / len(names))
        begin = time.perf_counter()
        while (answer := browsers[place].prove(RIGHT))[0] == 503:
            busy.append(place)
            time.sleep(int(answer[1]["Retry-After"]))
        return answer[0], time.perf_counter() - begin

    with ThreadPoolExecutor(len(names)) as many:
        done = list(many.map(child, range(len(names))))
    stop.set()
    app.join()
    took = [one[1] for one in done]
    print(
        f"{len(names)} sign-ins within {seconds} s: {sum(one[0] == 303 for one in done)} in, {len(busy)} times busy"
    )
    print(
        f"  sign-in  median {statistics.median(took):.2f} s, p95 {quantile(took, 0.95):.2f} s, longest {max(took):.2f} s"
    )
    for what, values in (("before", before), ("meanwhile", token_times)):
        print(
            f"  /token {what}: median {1000 * statistics.median(values):.0f} ms, "
            f"p95 {1000 * quantile(values, 0.95):.0f} ms, longest {1000 * max(values):.0f} ms ({len(values)} times)"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["timing", "burst"])
    parser.add_argument("--rounds", type=int, default=60, help="timing: tries of each kind")
    parser.add_argument("--pupils", type=int, default=30, help="burst: how many press")
    parser.add_argument(
        "--seconds", type=float, default=5, help="burst: within so many seconds; 0: all at once"
    )
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="idp-classroom-")) / "data"
    prepare(folder, PORT, "RS256")
    try:
        names = pupils(folder, args.rounds if args.what == "timing" else args.pupils)
        with Serving(folder):
            if args.what == "timing":
                timing(names, args.rounds)
            else:
                burst(names, args.seconds)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
