"""OneRoster: the export of a school arrives from a zip, and a zip that would harm is refused before it is unpacked."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest

from idp import config
from idp.feeds import classes
from idp.models import Soort
from tests import make as plain
from tests import make_feeds as make
from tests.make_reading import stands

FOLDER = make.DATA / "oneroster" / "999003"
SETTINGS = config.read({})


def files(**changed):
    """The files of the export; a word replaces one (None: leaves it out)."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
    for name, content in changed.items():
        found.pop(f"{name}.csv")
        if content is not None:
            found[f"{name}.csv"] = content
    return found


def zipped(entries, *, folder="", way=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", way) as archive:
        warnings.simplefilter("ignore")
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else folder + name, content)
    return packed.getvalue()


def read(source, settings=SETTINGS):
    return classes.read("oneroster", source, settings=settings)


def test_the_synthetic_export_becomes_rows():
    found = read(zipped(files()))
    assert (found.refused, found.problems, len(found.rows)) == (None, (), 116)
    assert {row.instellingsnummer for row in found.rows} == {"999003"}
    assert {row.soort for row in found.rows} == {Soort.KLAS, Soort.SUBKLAS}
    assert (found.rows[0].stamnummer, found.rows[0].klascode) == ("61000", "S01A")
    assert not any(stands(name, repr(row)) for row in found.rows for name in ("Hanne", "Amrani"))


def test_exports_vary_and_are_read_all_the_same():
    rows = [tuple(read(source).rows) for source in (zipped(files()), zipped(files(), folder="export/"))]
    rows += [tuple(read(zipped(files(manifest=None, roles=None, courses=None))).rows)]
    marked = {name: b"\xef\xbb\xbf" + b"\r\n".join(content.splitlines()) for name, content in files().items()}
    rows += [tuple(read(zipped(marked)).rows)]
    stored = zipped(files(), way=zipfile.ZIP_STORED)
    rows += [tuple(read(stored).rows)]
    assert len({*rows}) == 1


@pytest.mark.parametrize(
    ("orgs", "schools"),
    [
        ("o1,A,school,our-a\nd1,D,district,9\n", [None, None, None]),
        ("o1,A,school,999003\no2,B,school,our-b\n", ["999003", "", ""]),
        ("o1,A,school,our-a\no2,B,school,our-b\n", ["", "", ""]),
    ],
)
def test_a_class_of_one_of_several_schools_is_nobodys_until_its_school_has_a_number(house, orgs, schools):
    """A stamnummer of another school would be somebody else's here."""
    classes_csv = "sourcedId,title,classCode,classType,schoolSourcedId\n"
    classes_csv += "c1,1A,1A,homeroom,o1\nc2,1B,1B,homeroom,o2\nc3,1C,1C,homeroom,\n"
    enrollments = "sourcedId,classSourcedId,userSourcedId,role\n"
    enrollments += "e1,c1,u1,student\ne2,c2,u1,student\ne3,c3,u1,student\n"
    source = zipped(
        {
            "orgs.csv": f"sourcedId,name,type,identifier\n{orgs}",
            "users.csv": "sourcedId,userIds,identifier\nu1,,77\n",
            "classes.csv": classes_csv,
            "enrollments.csv": enrollments,
        }
    )
    found = read(source)
    assert [row.instellingsnummer for row in found.rows] == schools
    make.schools(house)
    make.bring(house, make.file(make.row("77", instellingsnummer="999003")))
    with house.database.transaction() as db:
        plain.agreement(db, "999003")
    with house.database.reading() as db:
        words = {"today": house.clock.today(), "settings": house.settings}
        made = classes.plan(db, found, instellingsnummer="999003", **words)
    assert [one.code for one in made.problems] == ["other_school"] * schools.count("")


def test_version_1_1_names_the_role_in_users():
    header = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName"
    users = (
        f"{header},identifier\nu1,,,true,o1,student,x,,Bo,Peeters,77\nu2,,,true,o1,teacher,y,,An,Claes,88\n"
    )
    enrollments = "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
    enrollments += "e1,c1,o1,u1,student,,2026-09-01,2027-06-30\ne2,c1,o1,u2,teacher,true,,\n"
    found = read(
        zipped(
            {
                "manifest.csv": "propertyName,value\noneroster.version,1.1\n",
                "orgs.csv": "sourcedId,name,type,identifier\no1,School,school,999003\n",
                "users.csv": users,
                "classes.csv": "sourcedId,title,classCode,classType,schoolSourcedId\nc1,Klas 1A,1A,homeroom,o1\n",
                "enrollments.csv": enrollments,
            }
        )
    )
    assert [(row.stamnummer, row.klascode, str(row.einddatum)) for row in found.rows] == [
        ("77", "1A", "2027-06-30")
    ]
    assert found.ignored == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"enrollments": None}, "missing_entry"),
        ({"users": None}, "missing_entry"),
        ({"manifest": b"propertyName,value\noneroster.version,2.0\n"}, "unknown_version"),
        ({"users": b"sourcedId,userIds\n\xff,x\n"}, "not_utf_8"),
        ({"classes": b"sourcedId,title\n1,2\n"}, "missing_column"),
        ({"users": b'sourcedId,userIds\n1,"x\n'}, "unclosed_quote"),
    ],
)
def test_an_export_with_a_fault_of_form_is_refused(changed, code):
    assert read(zipped(files(**changed))).refused.code == code


def test_a_row_about_a_class_or_pupil_that_is_not_there_is_reported():
    lines = (FOLDER / "enrollments.csv").read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("93eb0885", "00000000")
    found = read(zipped(files(enrollments="".join(lines).encode())))
    assert [(one.code, one.line, one.column) for one in found.problems] == [
        ("unknown_reference", 2, "classsourcedid")
    ]
    assert found.refused_rows[0].stamnummer == "61000"


# ---------------------------------------------------------------- zips that harm


def test_IMP_01_bombs_are_refused_before_they_go_off():
    grown = {"users.csv": b"sourcedId,userIds\n" + b"1,2\n" * 5_000_000}
    assert read(zipped(files() | grown)).refused.code == "packed_too_tightly"
    large = config.read({}, import_megabytes=1)
    assert (
        read(zipped(files() | {"x.csv": bytes(range(256)) * 5000}, way=0), large).refused.code == "too_large"
    )
    nested = zipped({"inner.zip": zipped({"bomb.zip": b"PK"})})
    assert read(nested).refused.code == "missing_entry"
    many = zipped({f"{n}.csv": b"" for n in range(65)})
    assert read(many).refused.code == "too_many_entries"


def test_IMP_01_a_table_of_contents_for_a_million_entries_is_never_parsed():
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 60_000_000, 0, 0)
    assert read(b"PK" + bytes(100) + end).refused.code == "too_many_entries"
    beyond = b"PK\x06\x07" + bytes(16) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 46, 0, 0)
    assert read(beyond).refused.code == "too_many_entries"


def test_IMP_01_a_zip_that_lies_about_a_size_is_refused():
    packed = bytearray(zipped({"orgs.csv": b"x" * 5000} | files(orgs=None)))
    at = packed.rfind(b"PK\x01\x02", 0, packed.find(b"manifest.csv", len(packed) // 2))
    name = packed.find(b"orgs.csv", packed.find(b"PK\x01\x02"))
    packed[name - 46 + 24 : name - 46 + 28] = struct.pack("<L", 10)
    assert at
    assert read(bytes(packed)).refused is not None


def link(name):
    made = zipfile.ZipInfo(name)
    made.external_attr = 0o120777 << 16
    return made


@pytest.mark.parametrize(
    "name",
    [
        "../../users.csv",
        "/users.csv",
        "C:\\users.csv",
        "..\\users.csv",
        "a/../../users.csv",
        "C:users.csv",
        link("users.csv"),
    ],
)
def test_IMP_02_names_that_lead_elsewhere_and_links_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = zipped([*files(users=None).items(), (name, b"/etc/passwd")])
    assert read(source).refused.code == "unsafe_entry"
    assert [*tmp_path.iterdir()] == []


def test_IMP_02_a_name_that_stands_twice_and_a_locked_file_are_refused():
    twice = zipped([*files().items(), ("users.csv", b"sourcedId,userIds\n1,2\n")])
    assert read(twice).refused.code == "unsafe_entry"
    locked = bytearray(zipped(files()))
    at = locked.find(b"PK\x01\x02")
    locked[at + 8] |= 1
    assert read(bytes(locked)).refused.code == "unsafe_entry"


@pytest.mark.parametrize("source", [b"", b"PK", b"PK\x05\x06", b"x" * 100, b"PK\x03\x04" + b"\x00" * 200])
def test_what_is_no_zip_is_refused(source):
    assert read(source).refused.code == "broken_archive"


def test_a_zip_cut_off_or_with_a_broken_file_is_refused():
    whole = zipped(files())
    assert read(whole[: len(whole) // 2]).refused.code == "broken_archive"
    place = whole.find(b"users.csv") + 60
    assert read(whole[:place] + b"\x00" * 40 + whole[place + 40 :]).refused.code in {
        "broken_archive",
        "not_utf_8",
    }
