"""Write docs/settings.md from idp/config.py, the one page that knows every setting."""

from __future__ import annotations

import sys
from pathlib import Path

from idp.config import FILE, PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = f"""# Settings

Made by `tools/describe_settings.py` from `idp/config.py`. A setting stands in `{FILE}` in the data folder, under its
name, or in the environment, as `{PREFIX}` and its name in capitals (`{PREFIX}CODE_SECONDS=20`); the environment
wins. Lists are written with commas in the environment. `idp check-config` tells every mistake at once.

| setting | default | meaning |
|---|---|---|
"""


def page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default
        shown = (
            ", ".join(map(str, value))
            if isinstance(value, tuple)
            else str(value if value is not None else "")
        )
        rows.append(f"| `{name}` | {f'`{shown}`' if shown else ''} | {field.description} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
