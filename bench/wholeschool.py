#!/usr/bin/env python3
"""What does a whole school take? Accounts in one go with everything to hand out, and cards by the thousand.

    wholeschool.py                                     688 accounts and 1,000 cards, SQLite
    BENCH_DATABASE_URL=postgresql://… wholeschool.py   the same on PostgreSQL
    wholeschool.py --size 100 --cards 200              less of both

Accounts go the way of the Schoolloket: proposed, made in the thread that says how far it is, and the zip. Hashes cost what
the settings say by default. The hashes alone are timed first, on the same cores. Cards are drawn in a process of their own,
on one core: its memory must not grow with their number.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

from sqlalchemy import insert, select

from idp import audit, config, context, entropy, keys, upgrading
from idp.admin.accounts import bulk, papers, underway
from idp.admin.printing import sheets
from idp.admin.printing.handout import Handout, Picture
from idp.admin.printing.sheets import Look
from idp.entropy import Chance
from idp.login import accounts, pictures
from idp.models import Enrolment, PaperworkKind, Pupil, School, SchoolKind, SecretKind

FIRST = ("Gastón", "Süheda", "Milan", "Elis", "Łukasz", "Noor", "Zoë", "Emma-Lou", "عائشة", "Jean")
LAST = ("Logie", "De Bremme", "El Bahri", "Van der Golf", "Wędka", "Peeters", "Carabin", "De Cock")
SCHOOL = "900001"


def fill(house, size):
    now, today = house.clock.now(), house.clock.today()
    with house.database.transaction() as db:
        row = {"instellingsnummer": SCHOOL, "naam": "BRUSSEL-STAD - TEST School 1", "kind": SchoolKind.TEST}
        db.execute(insert(School), row | {"created_at": now})
        who = [entropy.identifier() for _ in range(size)]
        db.execute(insert(Pupil), [{"account_uuid": one, "created_at": now} for one in who])
        common = {"instellingsnummer": SCHOOL, "begindatum": today - timedelta(days=60)}
        common |= {"einddatum": today + timedelta(days=200), "changed_at": now}
        db.execute(
            insert(Enrolment),
            [
                common
                | {
                    "id": entropy.row_id(),
                    "account_uuid": one,
                    "stamnummer": f"{2000000 + n}",
                    "voornaam": FIRST[n % len(FIRST)],
                    "naam": f"{LAST[n % len(LAST)]} {n // 80}",
                    "hoofdstructuur": "211" if n % 3 else "311",
                    "administratieve_groep": f"{n % 28}de groep",
                    "administratieve_groep_code": f"G{n % 28}",
                }
                for n, one in enumerate(who)
            ],
        )


def whole_school(size):
    with tempfile.TemporaryDirectory() as folder:
        keys.create(Path(folder) / "keys")
        url = os.environ.get("BENCH_DATABASE_URL", "")
        house = context.open_house(config.read({}, data=Path(folder), database_url=url))
        upgrading.upgrade(house.database)
        with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="person:bench")):
            fill(house, size)
            chance = Chance()
            words = [accounts.new_secret(SecretKind.TEMPORARY, chance) for _ in range(size)]
            begun = time.perf_counter()
            bulk.hash_all(house, words)
            hashes = time.perf_counter() - begun
            print(f"{size} hashes alone: {hashes:.1f} s")

            begun, seen = time.perf_counter(), set()
            desk = papers.Desk(person_id="bench", instellingsnummer=SCHOOL, key="k" * 43)
            with house.database.reading() as db:
                uuids = [*db.execute(select(Enrolment.account_uuid)).scalars()]
                proposals = papers.propose(db, house, desk, PaperworkKind.CREATE, uuids)
            work_id = papers.begin(house, desk, PaperworkKind.CREATE, proposals)
            with house.database.reading() as db:
                work = papers.find(db, desk, work_id, house.clock.now())
            underway.start(house, desk, work, patience=0)
            while True:
                with house.database.reading() as db:
                    state = underway.look(db, work_id, house.clock.now())
                if state is None:
                    break
                if state.problem:
                    sys.exit(f"it could not be done: {state.problem}")
                seen.add((state.made, state.ready))
                time.sleep(0.2)
            made = time.perf_counter() - begun
            with house.database.reading() as db:
                done = papers.find(db, desk, work_id, house.clock.now())
            worked = time.process_time()
            name, content = papers.zipped(house, desk, done)
            worked = time.process_time() - worked
            took = time.perf_counter() - begun
        print(f"{len(done.handouts)} accounts: {made:.1f} s, seen {len(seen)} times on the way")
        print(f"with all files ({name}, {len(content) / 1e6:.1f} MB, {worked:.1f} s of CPU): {took:.1f} s")
        print(f"beside the hashes: {took - hashes:.1f} s (aim 15)")
        for thread in threading.enumerate():
            if thread.name == "papers":
                thread.join()
        house.database.close()


def handouts(count):
    chance = Chance()
    found = []
    for n in range(count):
        four = pictures.of(accounts.new_secret(SecretKind.PICTURE, chance))
        found.append(
            Handout(
                account_uuid=entropy.identifier(),
                stamnummer=f"{2000000 + n}",
                voornaam=FIRST[n % len(FIRST)],
                naam=f"{LAST[n % len(LAST)]} {n}",
                group=f"{n % 28}de groep",
                username=f"{n}.voorbeeld",
                kind=SecretKind.PICTURE,
                secret=" ".join(one.words["nl"] for one in four),
                pictures=tuple(Picture(key=one.key, word=one.words["nl"]) for one in four),
                personal_url=f"https://mijn.leersleutel.example/{n}.voorbeeld",
                card_url=f"https://id.leersleutel.example/K/{n:026}",
            )
        )
    return found


def draw(count, pipe):
    """In a process of its own: seconds of CPU, and MiB that it grew while it drew."""
    look = Look(brand="LeerID", school="TEST School 1", made_on=date(2026, 9, 1), accent="#0B5D5E")
    sheets.stickers(BytesIO(), handouts(24), look)  # fonts and pictures are read once
    made = handouts(count)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    sheets.cards(BytesIO(), made, look)
    pipe.send(
        (time.process_time() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    )


def cards(count):
    for many in (count // 4, count):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=draw, args=(many, theirs))
        process.start()
        seconds, grown = ours.recv()
        process.join()
        print(f"{many} cards: {seconds:.1f} s of one core (aim 10 for 1000), {grown:.0f} MiB more at most")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--size", type=int, default=688)
    options.add_argument("--cards", type=int, default=1000)
    asked = options.parse_args()
    whole_school(asked.size)
    cards(asked.cards)


if __name__ == "__main__":
    main()
