"""Which texts do pages have, and which are not translated yet?

    python tools/translations.py    bring idp/locales/*/LC_MESSAGES/messages.po up to date and list what is missing

The Dutch sentence is the msgid. Then run tools/build_assets.py, which compiles the catalogues.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "idp" / "locales"
STILL = datetime(2026, 9, 1, tzinfo=UTC)
"""A date that stands still: catalogues change when texts do."""
LANGUAGES = ("fr", "de", "en")
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "lazy_ngettext": (1, 2)}


def texts() -> Catalog:
    """Every text of the code and the templates, in Dutch, and where it stands."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as text:
        methods, options = parse_mapping_cfg(text)
    catalog = Catalog(project="Leersleutel", charset="utf-8")
    found = extract_from_dir(ROOT, methods, options, KEYWORDS, directory_filter=_ours)
    for file, line, message, _comments, context in found:
        catalog.add(message, locations=[(file, line)], context=context)
    return catalog


def _ours(folder: str) -> bool:
    first = Path(folder).resolve().relative_to(ROOT).parts[:1]
    return first in {(), ("idp",), ("templates",)} and Path(folder).name not in {"static", "locales"}


def path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def missing(catalog: Catalog, wanted: Catalog) -> list[str]:
    """Texts without translation, or with a translation that somebody has to look at again."""
    return [_first(message) for message in wanted if message.id and not _done(catalog.get(message.id))]


def _done(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    given = message.string
    return bool(given) if isinstance(given, str) else bool(given) and all(given)


def _first(message: Message) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def main() -> int:
    wanted = texts()
    incomplete = False
    for language in LANGUAGES:
        catalog = read(language) if path(language).exists() else Catalog(locale=language, charset="utf-8")
        catalog.update(wanted, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        catalog.creation_date = catalog.revision_date = STILL
        catalog.project, catalog.version, catalog.fuzzy = "Leersleutel", "1", False
        catalog.header_comment = (
            "# The Dutch sentence is the msgid. Kept up to date by tools/translations.py."
        )
        catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""
        path(language).parent.mkdir(parents=True, exist_ok=True)
        with path(language).open("wb") as file:
            write_po(file, catalog, width=110, sort_output=True, omit_header=False, no_location=True)
        for text in missing(catalog, wanted):
            print(f"{language}: {text}")
            incomplete = True
    return int(incomplete)


if __name__ == "__main__":
    sys.exit(main())
