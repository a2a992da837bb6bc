"""What the zip says is what the accounts are: read back from Excel by another program, from the PDFs, and from their QR codes."""

from __future__ import annotations

import csv
import shutil
import subprocess
import zipfile
from io import BytesIO

import pypdfium2
import pytest
import zxingcpp

from idp.admin.accounts import bulk
from idp.admin.printing import bundle
from idp.admin.printing.workbook import HEADINGS
from idp.entropy import Chance
from idp.login import accounts, cards, passwords, pictures
from idp.models import SecretKind
from tests import make

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
NAMES = (
    ("Gastón", "Logie"),
    ("Süheda", "Carabin"),
    ("Milan", "De Bremme"),
    ("Łukasz", "Wędka"),
    ("美玲", "王"),
    ("=1+1", "@SUM(A1)"),
    ("-2", "+3"),
    ("O'Brien", '"Quoted"; Semi'),
    ("Wolf", "Wolfeschlegelsteinhausenbergerdorff"),
)


@pytest.fixture
def made(house):
    """Two groups, all kinds of secrets; the zip, and what was handed out."""
    with house.database.transaction() as db:
        school = make.school(db)
        for number, (voornaam, naam) in enumerate(NAMES):
            group = {
                "administratieve_groep": f"{number % 2}de leerjaar",
                "administratieve_groep_code": f"G{number % 2}",
            }
            words = {"voornaam": voornaam, "naam": naam, "stamnummer": f"00{number}"}
            words |= {"hoofdstructuur": "311" if number % 3 == 0 else "211"}
            make.enrolment(db, make.pupil(db), school, **words | group)
    with house.database.reading() as db:
        proposals = bulk.propose(db, instellingsnummer=school, today=make.TODAY, basic=SecretKind.PICTURE)
        look = bulk.look(db, house, school)
    handouts = bulk.create(house, proposals, chance=Chance())
    file = BytesIO()
    bundle.write(file, handouts, look)
    with zipfile.ZipFile(file) as box:
        return handouts, {name: box.read(name) for name in box.namelist()}


def read(content):
    """(text, what the QR codes say) of all sheets of a PDF."""
    text, codes, pdf = "", [], pypdfium2.PdfDocument(content)
    for page in pdf:
        words = page.get_textpage()
        text += words.get_text_range()
        words.close()
        codes += [
            one.text for one in zxingcpp.read_barcodes(page.render(scale=150 / 72).to_pil().convert("L"))
        ]
        page.close()
    pdf.close()
    return text.replace("\ufffe", "-").replace("\x02", "-"), codes


def test_the_pdfs_read_back_are_the_accounts(house, made):
    handouts, files = made
    sets = [["Kaarten A4.pdf"], [name for name in files if name.startswith("Stickers")]]
    assert len(sets[1]) == 2
    for names in sets:
        pages = [read(files[name]) for name in names]
        text = "".join("".join(text.split()) for text, _ in pages)
        found = [code for _, codes in pages for code in codes]
        assert sorted(found) == sorted(one.card_url for one in handouts)
        holders = set()
        for code in found:
            with house.database.reading() as db:
                holders.add(cards.find(db, code.rpartition("/")[2], house.clock.now()).account_uuid)
        assert holders == {one.account_uuid for one in handouts}
        for one in handouts:
            assert one.username in text
            shown = [picture.word for picture in one.pictures] or [one.secret]
            assert all(word in text for word in shown)
            with house.database.reading() as db:
                account = accounts.find(db, one.account_uuid, make.TODAY)
            typed = pictures.typed(one.secret) if one.pictures else passwords.canonical(one.kind, one.secret)
            assert account.username == one.username
            assert house.hasher.verify(account.stored, typed).right


@pytest.mark.skipif(
    OFFICE is None, reason="LibreOffice is not installed: the Excel file was not opened by it"
)
def test_CARD_01_libreoffice_opens_the_excel_file_and_reads_every_cell_as_text(house, made, tmp_path):
    handouts, files = made
    if not house.database.sqlite:
        pytest.skip("the file is the same on both databases, and opening it takes ten seconds")
    (tmp_path / "accounts.xlsx").write_bytes(files["LeerID's.xlsx"])
    done = subprocess.run(
        [
            OFFICE,
            f"-env:UserInstallation=file://{tmp_path}/office",
            "--headless",
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false",
            "--outdir",
            tmp_path,
            tmp_path / "accounts.xlsx",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Error:" not in done.stderr, done.stderr
    head, *rows = csv.reader(
        (tmp_path / "accounts.csv").read_text(encoding="utf-8").splitlines(), delimiter=";"
    )
    assert tuple(head) == HEADINGS
    assert {row[0]: row for row in rows} == {
        one.stamnummer: [
            one.stamnummer,
            one.voornaam,
            one.naam,
            one.group,
            "",
            one.username,
            " ".join(picture.word for picture in one.pictures) or one.secret,
        ]
        for one in handouts
    }
