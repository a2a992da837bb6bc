"""What an operator reads when an installation is not as it should be: one sentence that says what to do, and nothing changed."""

from __future__ import annotations

import secrets
import shutil
import socket

import pytest
from click.testing import CliRunner

from idp import cli, config
from tests.conftest import _create_database, _drop_database, _named
from tests.make_commands import at_a_prompt


def run(*words: object, code: int, **environment: str) -> str:
    """As from an interpreter that would show a traceback: nothing but what we say may be said."""
    done = CliRunner(env=environment).invoke(cli.main, [str(word) for word in words])
    assert done.exit_code == code, (words, done.output, done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "data"
    run("init", "--data", folder, "--issuer", "https://id.school.example", code=0)
    return folder


@pytest.fixture
def data(made, tmp_path):
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def nobody_answers():
    """An address of PostgreSQL where a port is taken, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"postgresql://idp:Geheim123@127.0.0.1:{held.getsockname()[1]}/idp"


@pytest.fixture
def port():
    """A port that is ours to listen on: held, so that nobody else comes there, and not listened on."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield str(held.getsockname()[1])


def test_upgrade_makes_no_second_installation_where_there_is_none(tmp_path):
    said = run("upgrade", "--data", tmp_path / "typo", code=2)
    assert "pairwise" in said
    assert "--data" in said
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("lost", ["pairwise", "national-number", "pepper-1"])
def test_a_key_that_the_database_hangs_on_is_never_made_anew(data, lost):
    key = data / "keys" / lost
    kept = key.read_text(encoding="ascii")
    key.unlink()
    for command in ("init", "upgrade"):
        said = run(command, "--data", data, code=2)
        assert f"key `{lost}` is missing" in said
        assert "copy keys/" in said
        assert not key.exists()
    given = {f"IDP_KEY_FILE_{lost.upper().replace('-', '_')}": kept}
    assert "up to date" in run("upgrade", "--data", data, code=0, **given)
    assert not key.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--issuer", "https://id.other.example"), ("--database-url", "sqlite:////nowhere/x.sqlite")],
)
def test_init_does_not_pass_over_what_it_was_told_in_silence(data, option, value):
    before = (data / config.FILE).read_text(encoding="utf-8")
    said = run("init", "--data", data, option, value, code=2)
    assert f"{option[2:].replace('-', '_')}: {data / config.FILE} is there and says otherwise" in said
    assert (data / config.FILE).read_text(encoding="utf-8") == before
    run("init", "--data", data, "--issuer", "https://id.school.example", code=0)


def test_an_address_with_quotes_and_backslashes_is_kept_as_it_is(tmp_path):
    url = f"sqlite:///{tmp_path}/a\"b\\c'd#é.sqlite"
    run("init", "--data", tmp_path, "--issuer", "https://id.school.example", "--database-url", url, code=0)
    assert config.read({}, data=tmp_path).database == url


def test_init_writes_nothing_before_the_database_answers(tmp_path, nobody_answers):
    words = ("init", "--data", tmp_path / "new", "--issuer", "https://id.school.example")
    run(*words, "--database-url", nobody_answers, code=1)
    assert [*(tmp_path / "new").iterdir()] == []
    run(*words, code=0)


@pytest.mark.parametrize(
    "words",
    [("check-config",), ("upgrade",), ("serve",), ("rights", "list"), ("jobs", "due")],
)
def test_a_database_that_is_away_is_said_in_a_sentence_without_its_password(
    data, nobody_answers, port, words
):
    said = run(*words, "--data", data, code=1, IDP_DATABASE_URL=nobody_answers, IDP_PORT=port)
    assert "the database does not answer" in said
    assert "idp doctor" in said
    assert "Traceback" not in said
    assert "Geheim123" not in said


def test_a_file_that_is_no_database_is_said_in_a_sentence(data):
    (data / "idp.sqlite").write_text("no database at all, " * 200, encoding="ascii")
    assert "file is not a database" in run("rights", "list", "--data", data, code=1)


def test_what_cannot_be_read_is_named(data):
    (data / config.FILE).unlink()
    (data / config.FILE).mkdir()
    for command, code in (("check-config", 2), ("doctor", 2), ("serve", 2)):
        said = run(command, "--data", data, code=code)
        assert f"{data / config.FILE}: Is a directory" in said


def test_a_recipient_that_opens_nothing_is_told_before_the_night_of_the_backup(data):
    (data / config.FILE).write_text(
        'issuer = "https://id.school.example"\nbackup_recipients = ["age1nonsense"]\n', encoding="utf-8"
    )
    assert "backup_recipients: age1nonsense" in run("check-config", "--data", data, code=2)


def test_a_port_for_numbers_that_is_taken_is_told_before_anybody_waits_for_numbers(data, port):
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        numbers = theirs.getsockname()[1]
        said = run("serve", "--port", port, "--data", data, code=2, IDP_METRICS_PORT=str(numbers))
    assert f"port {numbers} of 127.0.0.1 is taken" in said
    assert "metrics_port" in said


def test_what_a_restore_lays_down_is_ours_alone_and_a_database_elsewhere_is_told(house, tmp_path, request):
    """The settings of a backup name the database of before: whoever starts on them serves what was not restored."""
    idp = at_a_prompt(house, tmp_path)
    recipient = run("backup-key", tmp_path / "identity", code=0).splitlines()[0]
    idp("backup", str(tmp_path / "b.age"), "--to", recipient, "--without-keys")
    words = ["restore", tmp_path / "b.age", "--identity", tmp_path / "identity", "--without-journal"]
    new = tmp_path / "new"
    environment = {"IDP_KEYS": str(house.settings.keys_folder)}
    if house.database.sqlite:
        (tmp_path / "elsewhere").mkdir()
        shutil.move(house.settings.database.removeprefix("sqlite:///"), tmp_path / "elsewhere" / "idp.sqlite")
        said = run(*words, "--data", new, code=0, **environment)
        assert "another database" not in said
    else:
        server, name = request.getfixturevalue("postgres_url"), f"restored_{secrets.token_hex(5)}"
        _create_database(server, name)
        request.addfinalizer(lambda: _drop_database(server, name))
        empty = _named(server, name)
        said = run(*words, "--data", new, "--database-url", empty, code=0, **environment)
        assert f"{new / config.FILE} still names another database" in said
    assert [(new / config.FILE).stat().st_mode & 0o077, new.stat().st_mode & 0o077] == [0, 0]


def test_the_version_before_goes_on_working_from_the_command_line_too(house, tmp_path):
    """While machines change one after the other: its timers, and whoever gives a right."""
    idp = at_a_prompt(house, tmp_path)
    with house.database.transaction() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    idp("rights", "list")
    said = idp("upgrade", code=2).output
    assert "step 9999" in said
    assert "newer" in said
    with house.database.transaction() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert "run `idp upgrade`" in idp("rights", "list", code=2).output


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "export", "--until", "9999-12-31"),
        ("breach", "--from", "0001-01-01", "--until", "2027-08-31"),
        ("app", "initial-token", "issue", "--label", "x", "--until", "9999-12-31"),
    ],
)
def test_a_day_with_which_nobody_can_count_is_refused_in_a_sentence(data, words):
    assert "is not a day of the years 1900 to 2199" in run(*words, "--data", data, code=2)


def test_a_protocol_text_that_is_a_document_of_a_word_processor_is_refused_in_a_sentence(data, tmp_path):
    (document := tmp_path / "protocol.docx").write_bytes(b"PK\x03\x04\xff\xfe")
    said = run("protocol", "publish", document, "--version", "1", "--data", data, code=2)
    assert "no text in UTF-8" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("consent", "show", "--school", "1"), "school_unknown"),
        (("throttle", "show", "--school", "1"), "school_unknown"),
        (("visible", "list", "--school", "1"), "school_unknown"),
        (("visible", "list", "--app", "slip"), "app_unknown"),
        (("rights", "list", "--school", "1"), "school_unknown"),
        (("rights", "list", "--person", "slip"), "person_unknown"),
        (("device", "list", "--school", "1"), "school_unknown"),
        (("audit", "export", "--school", "1"), "school_unknown"),
        (("app", "logouts", "slip"), "app_unknown"),
        (("help", "whom", "--person", "slip"), "person_unknown"),
    ],
)
def test_a_slip_of_the_pen_never_reads_as_nobody(made, words, code):
    assert f"refused ({code}): {words[-1]}: " in run(*words, "--data", made, code=1)


@pytest.mark.parametrize(
    "words", [("rights", "list"), ("visible", "list"), ("app", "log"), ("app", "logouts")]
)
def test_where_nothing_was_named_nothing_is_an_answer(made, words):
    run(*words, "--data", made, code=0)
