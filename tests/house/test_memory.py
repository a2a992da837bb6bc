"""What a process that serves does not carry: what only printing, spreadsheets, passkeys or Redis need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"reportlab", "fontTools", "PIL", "xlsxwriter", "openpyxl", "webauthn", "redis", "arabic_reshaper"}
SCRIPT = """
import sys
from pathlib import Path
from idp import config, context, keys, serving
folder = Path(sys.argv[1])
keys.create(folder / "keys")
house = context.open_house(config.read({}, data=folder, issuer="http://localhost:8080"))
serving.assemble(house)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_process_that_serves_loads_nothing_that_only_others_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert "sqlalchemy" in done.stdout
    assert not HEAVY & {*done.stdout.split()}
