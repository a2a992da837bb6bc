"""The ground floor: time, chance, keys, settings, transactions."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select

from idp import apps, clock, config, entropy, keys, models
from idp.audit import apps as audit_apps


def test_law_turns_at_midnight_in_brussels():
    assert clock.day_of_law(datetime(2026, 8, 31, 21, 59, tzinfo=UTC)) == date(2026, 8, 31)
    assert clock.day_of_law(datetime(2026, 8, 31, 22, 0, tzinfo=UTC)) == date(2026, 9, 1)
    assert clock.midnight(date(2026, 12, 1)) == datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


def test_the_school_year_turns_on_the_first_of_september():
    assert clock.school_year(date(2026, 8, 31)) == "2025-2026"
    assert clock.school_year(date(2026, 9, 1)) == "2026-2027"
    assert clock.school_year_ends(date(2026, 9, 1)) == date(2027, 8, 31)
    assert clock.school_year_ends(date(2026, 8, 31)) == date(2026, 8, 31)


@pytest.mark.parametrize("kind", entropy.Token)
def test_a_token_of_one_kind_is_no_token_of_another(kind):
    token = entropy.token(kind, datetime(2026, 1, 1, tzinfo=UTC))
    assert entropy.digest(token, kind)
    assert not any(entropy.digest(token, other) for other in entropy.Token if other != kind)


def test_every_mistake_in_the_settings_is_told_at_once():
    with pytest.raises(config.ConfigurationError) as told:
        config.read({"IDP_ISSUER": "http://id.school.example", "IDP_CODE_SECONDS": "90", "IDP_ISSEUR": "x"})
    assert {problem.partition(":")[0] for problem in told.value.problems} == {
        "issuer",
        "code_seconds",
        "isseur",
    }


def test_a_key_that_others_may_read_is_refused(tmp_path):
    keys.create(tmp_path)
    (tmp_path / "pairwise").chmod(0o644)
    with pytest.raises(config.ConfigurationError, match="others may read it"):
        keys.load(tmp_path)


def test_what_is_sealed_opens_only_for_its_purpose_and_in_time(key_folder):
    now, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    ring = keys.load(key_folder)
    sealed = ring.seal("card", {"card": "7"}, now)
    assert ring.unseal("card", sealed, later, seconds=90) == {"card": "7"}
    assert ring.unseal("browser", sealed, later, seconds=90) is None
    assert ring.unseal("card", sealed, later, seconds=30) is None
    assert ring.unseal("card", sealed[:-2] + "AA", later, seconds=90) is None


def test_a_transaction_that_fails_leaves_nothing(house):
    with pytest.raises(RuntimeError), house.database.transaction() as db:
        audit_apps.app_registered(db, client_id="x")
        raise RuntimeError
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.AuditEvent)).scalar() == 0


def test_moments_come_back_aware_and_in_utc(house):
    with house.database.transaction() as db:
        audit_apps.app_registered(db, client_id="x")
    with house.database.reading() as db:
        assert db.execute(select(models.AuditEvent.at)).scalar_one() == house.clock.now()


def test_a_changed_registration_is_seen_within_seconds(house):
    assert house.apps.find("nobody") is None
    with house.database.transaction() as db:
        apps.changed(db)
    house.clock.move(seconds=apps.CACHE_SECONDS + 1)
    assert house.apps.find("nobody") is None


def test_a_right_secret_verifies_and_a_decoy_never_does(house):
    stored = house.hasher.hash("kat appel trein kasteel")
    assert house.hasher.verify(stored, "kat appel trein kasteel").right
    assert not house.hasher.verify(stored, "kat appel trein berg").right
    assert not house.hasher.verify(None, "nobody").right


@pytest.mark.parametrize(
    "wrong", [{"IDP_HOST": "0.0.0.0"}, {"IDP_ISSUER": "https://id.school.example"}], ids=["host", "issuer"]
)
def test_a_demo_never_leaves_this_machine(wrong):
    assert config.read({"IDP_DEMO": "true"}).demo
    with pytest.raises(config.ConfigurationError, match="demo"):
        config.read({"IDP_DEMO": "true"} | wrong)
