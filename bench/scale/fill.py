"""What has a country done so far? Accounts, sharing, yesterday's tokens and a year of ledger, made inside the database.

Through our own code each of these rows costs a sign-in; what is measured afterwards only needs them to be there.
"""

from datetime import timedelta

from sqlalchemy import insert, select, text

from idp import entropy
from idp.admin import apps
from idp.models import (
    Account,
    AccountType,
    Agreement,
    Person,
    ProtocolText,
    Right,
    RightKind,
    RuleKind,
    School,
    SecretKind,
    VisibilityRule,
)

CLIENT = "bench"
SECRET = "koe boot maan"
"""Of everyone: a hash costs 20 ms, and a million of them are not what is measured here."""


def sharing(house, app):
    """Every school shares, and shows the app to all its pupils."""
    now, begin = house.clock.now(), house.clock.today() - timedelta(days=90)
    apps.import_apps(house, [app], now=now)
    with house.database.transaction() as db:
        db.execute(insert(Person), {"person_id": "bench", "voornaam": "B", "naam": "B", "created_at": now})
        words = {"sha256": "0" * 64, "version": "1", "body": "x", "published_at": now, "in_force_from": begin}
        db.execute(insert(ProtocolText), words)
        numbers = db.execute(select(School.instellingsnummer)).scalars().all()
        given = {"protocol_sha256": "0" * 64, "given_by": "bench", "given_at": now}
        given |= {"given_as": RightKind.DATABEHEERDER}
        rule = {
            "client_id": CLIENT,
            "kind": RuleKind.SCHOOL,
            "target": "",
            "begindatum": begin,
            "einddatum": None,
        }
        rule |= {"created_by": "bench", "created_at": now}
        one = [{"id": entropy.row_id(), "instellingsnummer": number} for number in numbers]
        db.execute(insert(Agreement), [given | row for row in one])
        db.execute(insert(VisibilityRule), [rule | row for row in one])
        right = {"id": entropy.row_id(), "person_id": "bench", "kind": RightKind.BEHEERDER, "source": "bench"}
        right |= {"begindatum": begin, "einddatum": begin + timedelta(days=300), "granted_at": now}
        db.execute(insert(Right), right | {"instellingsnummer": largest(db)})
    return numbers


def largest(db):
    """The school with the most pupils."""
    most = "SELECT instellingsnummer FROM enrolment GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    return db.execute(text(most)).scalar_one()


def accounts(house):
    """Everyone has one, with the same secret."""
    stored, now = house.hasher.hash(SECRET), house.clock.now()
    columns = "account_uuid, username, type, secret_kind, secret_hash, pepper_id, secret_set_at, created_at"
    with house.database.transaction() as db:
        db.execute(
            text(
                f"INSERT INTO account ({columns}) SELECT account_uuid, 'kind.' || instellingsnummer || '.' || stamnummer, "
                ":type, :kind, :hash, :pepper, :now, :now FROM enrolment"
            ),
            {
                "type": AccountType.BASIC.value,
                "kind": SecretKind.BASIC.value,
                "hash": stored.hash,
                "pepper": stored.pepper_id,
                "now": _moment(house, now),
            },
        )
    assert Account.__tablename__ == "account"


def tokens(house):
    """One sign-in each: half of them so long ago that tonight's purge takes them, half of yesterday."""
    now = house.clock.now()
    for half, (day, days) in enumerate(((now - timedelta(days=100), 90), (now - timedelta(hours=20), 0))):
        end = day + timedelta(hours=12)
        words = {"day": _moment(house, day), "end": _moment(house, end), "half": half, "client": CLIENT}
        words |= {"old": _moment(house, end + timedelta(days=days and 1))}
        with house.database.transaction() as db:
            who = f"(SELECT account_uuid, instellingsnummer, {_row_number(house)} AS n FROM enrolment) AS e"
            db.execute(
                text(
                    "INSERT INTO session (sid, cookie_digest, account_uuid, auth_time, amr, acr, must_change, shared, device, "
                    f"last_seen_at, expires_at) SELECT {_id(house)}, {_bytes(house, 32)}, account_uuid, :day, "
                    f"'[\"pwd\"]', 'urn:leersleutel:acr:basic', {_no(house)}, {_no(house)}, 'other', :day, :end "
                    f"FROM {who} WHERE n % 2 = :half"
                ),
                {name: words[name] for name in ("day", "end", "half")},
            )
            db.execute(
                text(
                    "INSERT INTO grant_ (id, client_id, account_uuid, sid, scope, auth_time, amr, acr, offline, created_at, "
                    f"expires_at) SELECT {_id(house)}, :client, account_uuid, sid, 'openid profile ov_klas', auth_time, amr, "
                    f"acr, {_no(house)}, auth_time, :old FROM session WHERE auth_time = :day"
                ),
                {name: words[name] for name in ("client", "day", "old")},
            )
            db.execute(
                text(
                    "INSERT INTO access_token (digest, grant_id, client_id, scope, issued_at, expires_at) SELECT "
                    f"{_bytes(house, 36)}, id, client_id, scope, created_at, :end FROM grant_ WHERE created_at = :day"
                ),
                {name: words[name] for name in ("day", "end")},
            )


def ledger(house, lines, months=12):
    """So many lines a pupil, spread over the months: the first ones are older than last school year."""
    now, claims = house.clock.now(), '{"sub": "released", "ov_klassen": "released", "given_name": "released"}'
    for month in range(months):
        at = now - timedelta(days=30 * (months - month))
        share = lines * (month + 1) // months - lines * month // months
        if not share:
            continue
        numbers = " UNION ALL ".join(f"SELECT {n} AS line" for n in range(share))
        with house.database.transaction() as db:
            db.execute(
                text(
                    "INSERT INTO release (id, at, channel, client_id, account_uuid, instellingsnummer, claims) "
                    f"SELECT {_id(house, at)}, :at, 'userinfo', 'bench', account_uuid, instellingsnummer, "
                    f"{':claims' if house.database.sqlite else 'CAST(:claims AS jsonb)'} "
                    f"FROM enrolment CROSS JOIN ({numbers}) AS every"
                ),
                {"at": _moment(house, at), "claims": claims},
            )


def settle(house):
    """What a database does by itself in the hours that are left out here."""
    with house.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(text("ANALYZE" if house.database.sqlite else "VACUUM (ANALYZE)"))
        if not house.database.sqlite:
            db.execute(text("CHECKPOINT"))


def _moment(house, moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") if house.database.sqlite else moment


def _no(house):
    return "0" if house.database.sqlite else "false"


def _row_number(house):
    return "rowid" if house.database.sqlite else "row_number() OVER ()"


def _id(house, at=None):
    """An identifier; with a moment one that begins with it, as those of rows do."""
    if house.database.sqlite:
        return (
            "lower(hex(randomblob(16)))"
            if at is None
            else f"'{_time(at)}7' || lower(substr(hex(randomblob(10)), 1, 19))"
        )
    if at is None:
        return "gen_random_uuid()"
    return f"('{_time(at)}7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid"


def _time(at):
    return f"{int(at.timestamp() * 1000):012x}"


def _bytes(house, length):
    if house.database.sqlite:
        return f"randomblob({length})"
    return f"substr(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 1, {length})"
