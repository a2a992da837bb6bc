#!/usr/bin/env python3
"""What does the list of a large school take, among many others?

    schoollist.py                                     a school of 3,000 among 100,000 pupils, SQLite
    BENCH_DATABASE_URL=postgresql://… schoollist.py   the same on PostgreSQL

Milliseconds inside one process, from request to page, by the clock and of its CPU: the whole list, a search, the last
page ordered by class.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from idp import audit, config, context, entropy, keys, upgrading
from idp.app import create_app
from idp.login import staff_sessions
from idp.models import (
    Account,
    AccountType,
    Agreement,
    ClassMembership,
    Enrolment,
    Klas,
    Person,
    ProtocolText,
    Pupil,
    Right,
    RightKind,
    School,
    SchoolKind,
    SecretKind,
    Soort,
)

FIRST = ("Gastón", "Süheda", "Milan", "Elis", "Łukasz", "Noor", "Zoë", "Emma-Lou", "عائشة", "Jean")
LAST = ("Logie", "De Bremme", "El Bahri", "Van der Golf", "Wędka", "Peeters", "Carabin", "De Cock")


def fill(house, size, others):
    """One school of `size` pupils in 120 classes, and `others` pupils in schools of 400."""
    now, today = house.clock.now(), house.clock.today()
    begin, end = today - timedelta(days=60), today + timedelta(days=200)
    with house.database.transaction() as db:
        places = [("900001", size)] + [(f"{100000 + n}", 400) for n in range(others // 400)]
        for school, count in places:
            row = {"instellingsnummer": school, "naam": f"School {school}", "kind": SchoolKind.TEST}
            db.execute(insert(School), row | {"created_at": now})
            klassen = [entropy.identifier() for _ in range(max(1, count // 25))]
            named = {"instellingsnummer": school, "soort": Soort.KLAS, "changed_at": now}
            db.execute(
                insert(Klas),
                [
                    named | {"id": one, "klas_id": str(n), "code": f"{n}A", "naam": f"{n}A"}
                    for n, one in enumerate(klassen)
                ],
            )
            who = [entropy.identifier() for _ in range(count)]
            db.execute(insert(Pupil), [{"account_uuid": one, "created_at": now} for one in who])
            db.execute(
                insert(Enrolment), [_enrolment(n, one, school, begin, end, now) for n, one in enumerate(who)]
            )
            db.execute(insert(Account), [_account(school, n, one, now) for n, one in enumerate(who) if n % 3])
            sits = {"instellingsnummer": school, "begindatum": begin}
            db.execute(
                insert(ClassMembership),
                [
                    sits
                    | {"id": entropy.row_id(), "klas": klassen[(n + far) % len(klassen)], "account_uuid": one}
                    for n, one in enumerate(who)
                    for far in (0, 7)
                ],
            )
        person = {"person_id": "bench", "voornaam": "B", "naam": "B", "created_at": now}
        db.execute(insert(Person), person)
        right = {"id": entropy.row_id(), "person_id": "bench", "kind": RightKind.BEHEERDER, "source": "bench"}
        right |= {"instellingsnummer": "900001", "begindatum": begin, "einddatum": end, "granted_at": now}
        db.execute(insert(Right), right)
        text = {"sha256": "0" * 64, "version": "1", "body": "x", "published_at": now, "in_force_from": begin}
        db.execute(insert(ProtocolText), text)
        given = {"id": entropy.row_id(), "instellingsnummer": "900001", "protocol_sha256": "0" * 64}
        given |= {"given_by": "bench", "given_as": RightKind.DATABEHEERDER, "given_at": now}
        db.execute(insert(Agreement), given)
        words = {"person_id": "bench", "amr": ("pwd", "otp"), "device": "bench", "now": now}
        with audit.circumstances(audit.Circumstances(now=now)):
            return staff_sessions.start(db, house, **words).cookie


def _enrolment(n, who, school, begin, end, now):
    return {
        "id": entropy.row_id(),
        "account_uuid": who,
        "instellingsnummer": school,
        "stamnummer": f"{2000000 + n}",
        "voornaam": FIRST[n % len(FIRST)],
        "naam": f"{LAST[n % len(LAST)]} {n // 80}",
        "hoofdstructuur": "211",
        "administratieve_groep": f"{n % 12}de leerjaar",
        "administratieve_groep_code": f"L{n % 12}",
        "begindatum": begin,
        "einddatum": end,
        "changed_at": now,
    }


def _account(school, n, who, now):
    row = {"account_uuid": who, "username": f"kind.{school}.{n}", "type": AccountType.BASIC}
    row |= {"secret_kind": SecretKind.PICTURE, "secret_hash": "none", "pepper_id": "none"}
    return row | {"secret_set_at": now, "created_at": now}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--size", type=int, default=3000)
    options.add_argument("--others", type=int, default=97_000)
    options.add_argument("--rounds", type=int, default=30)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys.create(Path(folder) / "keys")
        url = os.environ.get("BENCH_DATABASE_URL", "")
        house = context.open_house(config.read({}, data=Path(folder), database_url=url))
        upgrading.upgrade(house.database)
        cookie = fill(house, asked.size, asked.others)
        browser = create_app(house).test_client()
        port = house.settings.issuer.rpartition(":")[2]
        browser.set_cookie(f"idp-{port}-{staff_sessions.COOKIE}", cookie)
        home = "/schoolloket/leerid-beheer"
        word = browser.get(home).text.partition('name="csrf_token" value="')[2].partition('"')[0]
        found = browser.post(home, data={"csrf_token": word, "woorden": "bremme milan"}).headers["Location"]
        for name, where in (
            ("whole list", home),
            ("search", found),
            ("last page by class", f"{home}?op=klas&blad=99"),
        ):
            took, cpu = [], []
            for _ in range(asked.rounds):
                begun, worked = time.perf_counter(), time.process_time()
                answer = browser.get(where)
                took.append(1000 * (time.perf_counter() - begun))
                cpu.append(1000 * (time.process_time() - worked))
                assert answer.status_code == 200, answer.status_code
            print(f"{name:20} median {statistics.median(took):6.1f} ms, CPU {statistics.median(cpu):6.1f} ms")
        house.database.close()


if __name__ == "__main__":
    main()
