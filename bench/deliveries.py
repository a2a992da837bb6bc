"""How long does a large delivery take, and how much memory? 200,000 rows of one school, again unchanged, and held.

    python bench/deliveries.py                     # SQLite in a temporary folder
    python bench/deliveries.py --database URL      # an empty PostgreSQL database
    python bench/deliveries.py --rows 20000

Each step is a process of its own, so that its peak is its own; the first row is a process that delivers one class only.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert

from idp import audit, clock, config, context, entropy, keys, models, upgrading
from idp.feeds import classes, intake

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SCHOOL = "800001"
CLASSES = 40


def house_at(folder: Path, url: str) -> context.House:
    settings = config.read({}, data=folder, database_url=url, keys=folder / "keys")
    return context.open_house(settings, clock=clock.Stopped(NOW))


def prepare(folder: Path, url: str, pupils: int) -> None:
    keys.create(folder / "keys")
    house = house_at(folder, url)
    upgrading.upgrade(house.database)
    with house.database.transaction() as db:
        school = {"instellingsnummer": SCHOOL, "naam": "Groot", "kind": "test", "pakket": "leersleutel"}
        db.execute(insert(models.School), school | {"created_at": NOW})
        text = {"sha256": "0" * 64, "version": "1", "in_force_from": date(2020, 1, 1), "published_at": NOW}
        db.execute(insert(models.ProtocolText), text | {"body": "x", "names_teachers": False})
        person = {"person_id": "bench", "voornaam": "Bo", "naam": "P", "created_at": NOW}
        db.execute(insert(models.Person), person)
        given = {"id": entropy.row_id(), "instellingsnummer": SCHOOL, "protocol_sha256": "0" * 64}
        given |= {"given_by": "bench", "given_as": "databeheerder", "given_at": NOW}
        db.execute(insert(models.Agreement), given)
        row = {"instellingsnummer": SCHOOL, "voornaam": "Bo", "naam": "P", "hoofdstructuur": "311"}
        row |= {"administratieve_groep": "1A", "administratieve_groep_code": "1", "leerjaar": None}
        row |= {"vestigingsplaats": None, "begindatum": date(2026, 9, 1), "einddatum": date(2027, 8, 31)}
        for number in range(pupils):
            uuid = entropy.identifier()
            db.execute(insert(models.Pupil), {"account_uuid": uuid, "created_at": NOW})
            names = {"id": entropy.row_id(), "account_uuid": uuid, "stamnummer": str(number)}
            db.execute(insert(models.Enrolment), row | names | {"changed_at": NOW})
    house.database.close()


def write(path: Path, pupils: int, several: int, *, first: int = 0) -> Path:
    with path.open("w") as out:
        out.write("stamnummer;klas_id;klascode;klasnaam;soort;begindatum;einddatum\n")
        for pupil in range(first, pupils):
            for klas in range(several):
                out.write(f"{pupil};k{klas};K{klas};Klas {klas};subklas;2026-09-01;\n")
    return path


def deliver(folder: Path, url: str, source: Path) -> None:
    house = house_at(folder, url)
    words = {"form": "leersleutel", "instellingsnummer": SCHOOL, "snapshot_at": NOW}
    began = time.perf_counter()
    with audit.circumstances(audit.Circumstances(now=NOW, actor="bench", source="bench")):
        outcome = intake.take(house, source, delivery=intake.begin(house, **words), **words)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = classes.report(outcome.plan)["counts"]
    told = {"state": outcome.state.value, "add": counts["add"], "keep": counts["keep"], "end": counts["end"]}
    print(json.dumps(told | {"seconds": round(seconds, 1), "peak_mib": round(peak, 1)}))
    house.database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--deliver", nargs=3)
    given = parser.parse_args()
    if given.deliver:
        folder, url, source = given.deliver
        deliver(Path(folder), url, Path(source))
        return
    pupils = given.rows // CLASSES
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        url = given.database or f"sqlite:///{folder / 'idp.sqlite'}"
        prepare(folder, url, pupils)
        steps = (
            ("one class", write(folder / "few.csv", pupils, 1)),
            ("all", write(folder / "all.csv", pupils, CLASSES)),
            ("all again", folder / "all.csv"),
            ("half, held", write(folder / "half.csv", pupils, CLASSES, first=pupils // 2)),
        )
        for name, source in steps:
            words = [sys.executable, __file__, "--deliver", str(folder), url, str(source)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            print(f"{name:12} {source.stat().st_size / 2**20:5.1f} MB  {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
