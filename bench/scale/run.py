#!/usr/bin/env python3
"""What does a country cost, and does it grow? Countries of invented pupils, each on a database of its own, side by side.

    run.py 10000 1000000                      on PostgreSQL
    run.py 10000 1000000 --sqlite             on SQLite
    run.py 10000 1000000 --keep               and keep the filled databases: a million is 6 GB, and most of an hour
    run.py 10000 1000000 --reuse              on the databases that were kept: a quarter of an hour
    run.py 10000 1000000 --reuse --only hot   of these, only sign-ins, codes, userinfo and introspection: ten minutes

Filling goes one size after the other: all schools and enrolments with our own commands, the classes of every school,
accounts, a day of tokens and a year of ledger, sealed. What is compared is measured in turns, A B A B …, each for so
many seconds, on servers and databases that stand beside each other; the table gives medians and how each size stands to
the first one. Every sign-in is of another pupil, drawn from the whole country. CPU is of our processes and of
PostgreSQL's, together; memory is the most that a process of ours took. Jobs are switched off in these servers, and
measured by themselves.
"""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "adapters")]

import counted  # noqa: E402
import hot  # noqa: E402
import night  # noqa: E402
import pages  # noqa: E402
from opbench.provider import SCRATCH  # noqa: E402
from standing import Country  # noqa: E402

PARTS = {
    "pages": pages.measure,
    "counted": counted.measure,
    "hot": hot.measure,
    "night": night.measure,
}
"""In this order; `counted` is work instead of time, and needs no quiet machine; `night` is the purge."""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("pupils", type=int, nargs="+")
    options.add_argument("--sqlite", action="store_true")
    options.add_argument("--folder", type=Path, default=SCRATCH / "scale")
    options.add_argument("--keep", action="store_true", help="do not delete the databases afterwards")
    options.add_argument("--reuse", action="store_true", help="use those that were kept; implies --keep")
    options.add_argument("--only", nargs="+", choices=["fill", *PARTS], default=[*PARTS])
    options.add_argument("--ledger", type=int, default=4, help="lines of a year for every pupil")
    options.add_argument("--classes", type=int, help="schools that deliver classes  [default: all]")
    options.add_argument("--once", action="store_true", help="no import a second time, unchanged")
    options.add_argument("--users-at-once", type=int, default=8)
    options.add_argument("--seconds", type=float, default=6, help="of one turn")
    options.add_argument("--rounds", type=int, default=5, help="turns of each size")
    options.add_argument("--shared-buffers", default="2GB", help="of PostgreSQL")
    options.add_argument("--core", type=int, default=0)
    options.add_argument("--json", type=Path, help="append the figures to this file")
    asked = options.parse_args()
    countries = [Country(pupils, asked) for pupils in asked.pupils]
    try:
        for country in countries:
            if not (asked.reuse and country.filled):
                country.fill()
        with ExitStack() as open_now:
            for country in countries:
                open_now.enter_context(country.standing())
            for name, measure in PARTS.items():
                if name in asked.only:
                    measure(countries, asked)
    finally:
        if not (asked.keep or asked.reuse):
            for country in countries:
                country.forget()
    if asked.json:
        with asked.json.open("a") as file:
            file.writelines(json.dumps(country.figures) + "\n" for country in countries)


if __name__ == "__main__":
    main()
