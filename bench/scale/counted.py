"""How much work does a database have with one sign-in, code, userinfo, introspection? Counted, so that no other load matters.

On PostgreSQL the pages (8 KiB) that each statement touches, by EXPLAIN (ANALYZE, BUFFERS) just before it runs; on SQLite the
instructions of its machine. Of pupils from the whole country; a page more is a level more of some tree.
"""

import base64
import hashlib
import random
import re
import statistics
from collections import defaultdict
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import country as invented
import fill
from opbench.provider import Provider
from sqlalchemy import event
from standing import told

from idp import driver
from idp.app import create_app
from idp.oidc import discovery

TIMES = 40
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
DOING = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def measure(countries, asked):
    unit = "steps" if asked.sqlite else "pages"
    of_each = []
    for country in countries:
        with country.house() as house:
            counter = (Steps if asked.sqlite else Pages)(house)
            _walk(house, country, counter)
            counter.close()
        of_each.append(counter.found)
    for what in of_each[0]:
        totals = [
            statistics.median(sum(n for _, n in turn) for turn in found[what].values()) for found in of_each
        ]
        for country, total in zip(countries, totals):
            country.figures[f"{what}: {unit}"] = total
        told(what, countries, totals, unit)
    _which_grow(countries, of_each, unit)


def _which_grow(countries, of_each, unit):
    """The statements that touch more in the last country than in the first."""
    by_statement = []
    for found in of_each:
        counts = defaultdict(list)
        for turns in found.values():
            for turn in turns.values():
                for statement, n in turn:
                    counts[statement].append(n)
        by_statement.append({one: statistics.median(counts[one]) for one in counts})
    first, last = by_statement[0], by_statement[-1]
    growth = sorted(((last[one] - first.get(one, 0), one) for one in last), reverse=True)
    for more, statement in growth[:12]:
        if more > 0:
            print(
                f"    {more:+6.1f} {unit}: {first.get(statement, 0):.1f} -> {last[statement]:.1f}: {statement[:150]}"
            )


def _walk(house, country, counter):
    application = create_app(house)
    application.wsgi_app = discovery.in_front_of(application.wsgi_app, house)
    program = application.test_client(use_cookies=False)
    chance, schools = random.Random(5), list(invented.schools(country.pupils))
    basic = base64.b64encode(f"{Provider.client_id}:{Provider.client_secret}".encode()).decode()
    sent = {"Authorization": f"Basic {basic}"}
    for turn in range(TIMES):
        number, _, size = chance.choice(schools)
        user = f"kind.{number}.{invented.stamnummer(chance.randrange(size))}"
        browser = application.test_client()
        counter.now("full sign-in, without the hash", turn)
        code = _sign_in(browser, user)
        counter.now("code exchange", turn)
        words = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        answer = program.post("/token", data=words | {"redirect_uri": Provider.redirect_uri}, headers=sent)
        token = answer.json["access_token"]
        counter.now("userinfo", turn)
        answer = program.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        counter.now("introspection", turn)
        assert program.post("/introspect", data={"token": token}, headers=sent).json["active"]
        counter.now("one more app in the session", turn)
        _sign_in(browser, user)


def _sign_in(browser, user):
    words = {"client_id": Provider.client_id, "redirect_uri": Provider.redirect_uri, "response_type": "code"}
    words |= {
        "scope": f"{fill.SCOPE} offline_access",
        "state": "s",
        "nonce": "n",
        "code_challenge": CHALLENGE,
    }
    to = f"/authorize?{urlencode(words | {'code_challenge_method': 'S256'})}"
    for _ in range(8):
        answer = browser.get(to) if isinstance(to, str) else browser.post(to[0], data=to[1])
        if answer.status_code in {302, 303}:
            to = answer.headers["Location"]
            if to.startswith(Provider.redirect_uri):
                return dict(parse_qsl(urlsplit(to).query))["code"]
            parts = urlsplit(to)
            to = f"{parts.path}?{parts.query}"
            continue
        found = re.findall(r"<form\b.*?</form>", answer.text, re.DOTALL)
        forms = [
            one for one in found if re.search('name="(username|password)"', one) and '"/taal"' not in one
        ]
        assert forms, f"{answer.status_code} {to} {answer.text}"
        form = forms[-1]
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        given = {name: unescape(value) for name, value in hidden}
        given |= {"password": fill.SECRET} if 'name="password"' in form else {"username": user}
        to = unescape(re.search(r'action="([^"]*)"', form)[1]) or answer.request.path, given
    raise AssertionError(answer.text[:500])


class Counter:
    """`found`: what → turn → (statement, how much)."""

    def __init__(self, house):
        self.engine, self.found = house.database.engine, defaultdict(lambda: defaultdict(list))
        event.listen(self.engine, "before_cursor_execute", self.note)
        self.turn = None

    def now(self, what, turn):
        self.turn = self.found[what][turn]

    def close(self):
        event.remove(self.engine, "before_cursor_execute", self.note)


class Pages(Counter):
    def note(self, db, _cursor, statement, parameters, _context, many):
        if self.turn is None or not statement.lstrip().upper().startswith(DOING):
            return
        from psycopg import RawCursor
        from psycopg.pq import TransactionStatus

        connection = driver.of(db)
        alone = connection.info.transaction_status == TransactionStatus.IDLE
        plain = connection.cursor()
        plain.execute("BEGIN" if alone else "SAVEPOINT counted")
        cursor = RawCursor(connection) if isinstance(parameters, list) else connection.cursor()
        one = parameters[0] if many else parameters
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", one)
        plan = cursor.fetchone()[0][0]["Plan"]
        plain.execute("ROLLBACK" if alone else "ROLLBACK TO SAVEPOINT counted")
        touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.turn.append((" ".join(statement.split()), touched))


class Steps(Counter):
    def __init__(self, house):
        super().__init__(house)
        self.running = None

    def now(self, what, turn):
        super().now(what, turn)
        self.running = None

    def note(self, db, _cursor, statement, _parameters, _context, _many):
        if self.turn is None:
            return
        self.running, turn = len(self.turn), self.turn
        turn.append((" ".join(statement.split()), 0))
        driver.of(db).set_progress_handler(self._step, 1)

    def _step(self):
        if self.running is not None:
            statement, n = self.turn[self.running]
            self.turn[self.running] = (statement, n + 1)
        return 0
