"""What has a country done so far? Accounts, sharing, yesterday's tokens and a year of ledger, made inside the database.

Through our own code each of these rows costs a sign-in; what is measured afterwards only needs them to be there.
"""

from datetime import timedelta

from sqlalchemy import insert, select, text

from idp import entropy
from idp.admin.apps import apps
from idp.claims import pseudonym
from idp.entropy import Token
from idp.models import (
    AccessToken,
    Account,
    AccountType,
    Agreement,
    Grant,
    Person,
    ProtocolText,
    RightKind,
    RuleKind,
    School,
    SecretKind,
    Session,
    VisibilityRule,
)
from idp.oidc.tokens import KLASINFORMATIE

CLIENT = "bench"
SCOPE = "openid profile ov_leerling ov_inschrijving ov_klas"
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
    return numbers


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
    """A sign-in of yesterday for every second pupil: nothing of it works any more, and all of it is kept."""
    _sign_ins(house, house.clock.now() - timedelta(hours=20), remainder=1)


def forgotten(house):
    """A sign-in of the other half, so long ago that the next purge takes it."""
    _sign_ins(house, house.clock.now() - timedelta(days=100), remainder=0)


def _sign_ins(house, day, *, remainder):
    end = day + timedelta(hours=12)
    words = {"day": _moment(house, day), "end": _moment(house, end), "half": remainder, "client": CLIENT}
    with house.database.transaction() as db:
        who = f"(SELECT account_uuid, {_row_number(house)} AS n FROM enrolment) AS e"
        db.execute(
            text(
                "INSERT INTO session (sid, cookie_digest, account_uuid, auth_time, amr, acr, must_change, shared, device, "
                f"last_seen_at, expires_at) SELECT {_id(house)}, {_secret(house)}, account_uuid, :day, "
                f"'[\"pwd\"]', 'urn:leersleutel:acr:basic', {_no(house)}, {_no(house)}, 'other', :day, :end "
                f"FROM {who} WHERE n % 2 = :half"
            ),
            {name: words[name] for name in ("day", "end", "half")},
        )
        db.execute(
            text(
                "INSERT INTO grant_ (id, client_id, account_uuid, instellingsnummer, sid, scope, auth_time, amr, acr, "
                f"offline, created_at, expires_at) SELECT {_id(house, day)}, :client, s.account_uuid, e.instellingsnummer, "
                "s.sid, 'openid profile ov_klas', s.auth_time, s.amr, s.acr, "
                f"{_no(house)}, s.auth_time, :end FROM session AS s JOIN enrolment AS e ON e.account_uuid = s.account_uuid "
                "WHERE s.auth_time = :day"
            ),
            {name: words[name] for name in ("client", "day", "end")},
        )
        db.execute(
            text(
                "INSERT INTO access_token (digest, grant_id, client_id, scope, issued_at, expires_at) SELECT "
                f"{_digest(house, day)}, id, client_id, scope, created_at, :end FROM grant_ WHERE created_at = :day"
            ),
            {name: words[name] for name in ("day", "end")},
        )


def known_tokens(house, count, chance):
    """So many pupils of the whole country with an access token that works now; returns the tokens."""
    now, end = house.clock.now(), house.clock.now() + timedelta(hours=8)
    app = house.apps.find(CLIENT)
    with house.database.transaction() as db:
        some = drawn(db, count, chance)
        made = []
        for account, school in some:
            sid, grant = entropy.identifier(), entropy.row_id()
            token = entropy.token(Token.ACCESS, now, mark=KLASINFORMATIE)
            cookie = entropy.digest(entropy.token(Token.SESSION, now), Token.SESSION)
            shown = {"auth_time": now, "amr": ["pwd"], "acr": "urn:leersleutel:acr:basic", "expires_at": end}
            session = {"sid": sid, "cookie_digest": cookie, "account_uuid": account, "must_change": False}
            db.execute(insert(Session), session | shown | {"last_seen_at": now})
            given = {"id": grant, "client_id": CLIENT, "account_uuid": account, "sid": sid, "offline": False}
            given |= {"instellingsnummer": school, "scope": SCOPE, "created_at": now}
            db.execute(insert(Grant), given | shown)
            one = {"digest": entropy.digest(token, Token.ACCESS), "grant_id": grant, "client_id": CLIENT}
            db.execute(insert(AccessToken), one | {"scope": SCOPE, "issued_at": now, "expires_at": end})
            pseudonym.remember(db, house.keys, app, account, now)
            made.append(token)
    return made


def drawn(db, count, chance):
    """Pupils from everywhere in the country, with their school."""
    schools = db.execute(text("SELECT instellingsnummer FROM school ORDER BY 1")).scalars().all()
    one = text(
        "SELECT account_uuid FROM enrolment WHERE instellingsnummer = :school ORDER BY stamnummer LIMIT 400"
    )
    met, some = {}, []
    for _ in range(count):
        school = chance.choice(schools)
        if school not in met:
            met[school] = db.execute(one, {"school": school}).scalars().all()
        some.append((str(chance.choice(met[school])), school))
    return some


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
    if house.database.sqlite:
        return
    with house.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(text("VACUUM (ANALYZE)"))
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


def _secret(house):
    if house.database.sqlite:
        return "randomblob(32)"
    return "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"


def _digest(house, at):
    """What is kept of a token that was made then: its time, and something random."""
    stamp = f"{int(at.timestamp()):08x}"
    if house.database.sqlite:
        return f"CAST(x'{stamp}' || {_secret(house)} AS BLOB)"
    return f"decode('{stamp}', 'hex') || {_secret(house)}"
