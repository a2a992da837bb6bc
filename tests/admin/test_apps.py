"""How do apps get in, change and leave?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from idp import apps as registered
from idp import models
from idp.admin.apps import app_list, app_secrets, app_stopping, apps
from idp.admin.apps.apps import Change
from idp.errors import Invalid, NotFound
from idp.oidc import clients
from tests import make, make_signed

NOW = make.NOW
SECRET = "a secret of at least sixteen"


def document(client_id="rekenbuur", **given):
    plain = {"client_id": client_id, "client_name": "Rekenbuur"}
    plain |= {"redirect_uris": [f"https://{client_id}.example/cb"], "scope": "openid ov_leerling"}
    return plain | given


def imported(house, *documents):
    return apps.import_apps(house, documents, now=house.clock.now())


def count(db, model):
    return db.execute(select(func.count()).select_from(model)).scalar_one()


def events(house):
    with house.database.reading() as db:
        rows = db.execute(
            select(models.AuditEvent.event, models.AuditEvent.details).order_by(models.AuditEvent.id)
        )
        return [(event, details) for event, details in rows]


def test_an_app_is_added_and_its_new_secret_works(house):
    (one,) = imported(house, document())
    assert one.change is Change.ADDED
    assert one.client_secret.startswith("lsk_")
    app = house.apps.find("rekenbuur")
    assert app.client_name == "Rekenbuur"
    assert app.sector == "rekenbuur.example"
    assert [digest for digest, _ in app.secrets] == [clients.digest(one.client_secret)]
    assert events(house)[-1][0] == "app_registered"


def test_the_secret_is_nowhere_in_the_database(house):
    (one,) = imported(house, document(client_secret=SECRET))
    assert one.client_secret == SECRET
    with house.database.reading() as db:
        for table in models.Base.metadata.sorted_tables:
            for row in db.execute(select(table)):
                assert SECRET not in repr(row)
    assert SECRET not in repr(one)


def test_the_same_document_again_changes_nothing(house):
    imported(house, document())
    before = events(house)
    (again,) = imported(house, document())
    assert again.change is Change.SAME
    assert again.client_secret is None
    assert events(house) == before


def test_a_changed_document_is_seen_at_once_and_its_fields_are_written_down(house):
    imported(house, document())
    house.apps.find("rekenbuur")
    (one,) = imported(house, document(client_name="Rekenbuur 2", open_to_every_pupil=True))
    assert one.change is Change.CHANGED
    house.clock.move(seconds=registered.CACHE_SECONDS)
    assert house.apps.find("rekenbuur").open_to_every_pupil
    assert events(house)[-1] == ("app_changed", {"fields": ["client_name", "open_to_every_pupil"]})


def test_a_list_is_stored_whole_or_not_at_all(house):
    with pytest.raises(apps.Refused) as refused:
        imported(
            house,
            document("one"),
            document("two", redirect_uris=["http://evil.example/*"]),
            document("three", colour="red"),
        )
    assert set(refused.value.problems) == {"two", "three"}
    assert any("three: colour" in sentence for sentence in refused.value.sentences)
    with house.database.reading() as db:
        assert count(db, models.App) == 0
        assert count(db, models.AppSecret) == 0


def test_an_app_twice_in_a_list_is_refused(house):
    with pytest.raises(apps.Refused, match="twice"):
        imported(house, document("one"), document("one"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"client_secret": "short"}, "client_secret"),
        ({"client_secret": 12345678901234567}, "client_secret"),
        ({"client_secret": "with\nnewline in the middle"}, "client_secret"),
        ({"client_secret": "x" * 5000}, "client_secret"),
        ({"client_secret": SECRET, "token_endpoint_auth_method": "none"}, "client_secret"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused(house, given, field):
    with pytest.raises(apps.Refused) as refused:
        imported(house, document(**given))
    assert list(refused.value.problems["rekenbuur"]) == [field]


@pytest.mark.parametrize("wrong", [[], "text", None, 3])
def test_what_is_no_document_is_refused(house, wrong):
    with pytest.raises(apps.Refused, match="must be a JSON object"):
        imported(house, wrong)


@pytest.mark.parametrize("wrong", [7, "", "a b", "x" * 101, "\x00", "\ud800"])
def test_a_client_id_that_cannot_be_one_is_refused(house, wrong):
    with pytest.raises(apps.Refused):
        imported(house, document() | {"client_id": wrong})


def test_without_client_id_one_is_made(house):
    given = document()
    del given["client_id"]
    (one,) = imported(house, given)
    assert len(one.client_id) == 36
    assert one.as_json()["client_id"] == one.client_id


def test_a_given_secret_becomes_the_only_one(house):
    imported(house, document())
    (one,) = imported(house, document(client_secret=SECRET))
    assert one.change is Change.CHANGED
    assert events(house)[-1] == ("app_changed", {"fields": ["client_secret"]})
    (same,) = imported(house, document(client_secret=SECRET))
    assert same.change is Change.SAME
    with house.database.reading() as db:
        assert [digest for digest, _ in registered.load(db, "rekenbuur").secrets] == [clients.digest(SECRET)]


def test_a_public_app_has_no_secret(house):
    (one,) = imported(house, document(token_endpoint_auth_method="none"))
    assert one.client_secret is None
    with house.database.reading() as db:
        assert count(db, models.AppSecret) == 0


def test_the_sector_is_frozen(house):
    imported(house, document())
    imported(house, document(redirect_uris=["https://elsewhere.example/cb"]))
    assert house.apps.find("rekenbuur").sector == "rekenbuur.example"
    with pytest.raises(apps.Refused, match="frozen"):
        imported(house, document(sector="elsewhere.example"))


def test_in_a_demo_an_imported_app_is_a_sandbox_app_and_may_live_on_this_machine(house):
    local = document(
        redirect_uris=["http://localhost:9000/cb"], backchannel_logout_uri="http://localhost:9000/out"
    )
    with pytest.raises(apps.Refused):
        imported(house, local)
    demo = replace(house, settings=house.settings.model_copy(update={"demo": True}))
    (one,) = imported(demo, local)
    assert one.sandbox
    assert house.apps.find("rekenbuur").sandbox
    (again,) = imported(house, document("other"))
    assert not again.sandbox


def test_export_is_what_import_takes(house):
    imported(
        house,
        document("one", reasons={"ov_leerid_uuid": "om de klas te tonen"}),
        document("two", pkce_exempt_until="2027-06-30"),
    )
    with house.database.reading() as db:
        documents = app_list.export(db)
        assert app_list.export(db, ["two"]) == documents[1:]
        with pytest.raises(NotFound):
            app_list.export(db, ["three"])
    assert "secret" not in str([list(one) for one in documents])
    assert {one.change for one in imported(house, *documents)} == {Change.SAME}


def test_what_import_prints_can_be_imported(house):
    (one,) = imported(house, document())
    (again,) = imported(house, one.as_json())
    assert again.change is Change.SAME


def test_show_tells_everything_but_secrets(house):
    (one,) = imported(house, document())
    with house.database.reading() as db:
        shown = app_list.show(db, "rekenbuur")
        with pytest.raises(NotFound):
            app_list.show(db, "nobody")
    assert shown["sandbox"] is False
    assert len(shown["secrets"]) == 1
    assert one.client_secret not in repr(shown)
    assert clients.digest(one.client_secret) not in repr(shown)


def test_two_secrets_live_side_by_side_until_the_overlap_ends(house):
    (one,) = imported(house, document())
    house.clock.move(minutes=1)
    with house.database.transaction() as db:
        second = app_secrets.renew(db, "rekenbuur", now=house.clock.now())
    house.clock.move(minutes=1)
    with house.database.reading() as db:
        newest, oldest = registered.load(db, "rekenbuur").secrets
    assert newest == (clients.digest(second), None)
    assert oldest[0] == clients.digest(one.client_secret)
    assert (oldest[1] - house.clock.now()).days == 13
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="two_secrets"):
            app_secrets.renew(db, "rekenbuur", now=house.clock.now())
        assert registered.load(db, "rekenbuur").secrets == (newest, oldest), "a second press ends neither"
        first = app_secrets.listing(db, "rekenbuur")[1]
        app_secrets.end(db, "rekenbuur", first.id, now=house.clock.now())
        third = app_secrets.renew(db, "rekenbuur", now=house.clock.now())
        kept = [digest for digest, _ in registered.load(db, "rekenbuur").secrets]
        assert kept == [clients.digest(third), clients.digest(second)], "never more than two"
        last = app_secrets.renew(db, "rekenbuur", now=house.clock.now(), overlap_days=0)
        assert [digest for digest, _ in registered.load(db, "rekenbuur").secrets] == [clients.digest(last)]
    assert [event for event, _ in events(house)].count("app_secret_renewed") == 3


def test_an_app_that_has_no_secret_gets_no_new_one(house):
    imported(house, document(token_endpoint_auth_method="none"))
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="app_has_no_secret"):
            app_secrets.renew(db, "rekenbuur", now=NOW)
        with pytest.raises(NotFound):
            app_secrets.renew(db, "nobody", now=NOW)


def test_a_removed_app_stops_at_once_and_its_subjects_stay(house):
    with house.database.transaction() as db:
        school = make.school(db)
        pupil = make.pupil(db)
    imported(house, document())
    with house.database.transaction() as db:
        make.rule(db, "rekenbuur", school)
        db.execute(
            models.AppPupil.__table__.insert(),
            {
                "account_uuid": pupil,
                "client_id": "rekenbuur",
                "sub": "s",
                "chosen_school": None,
                "first_seen_at": NOW,
            },
        )
        app_stopping.remove(db, "rekenbuur", now=NOW)
        assert app_list.listing(db) == []
        assert count(db, models.VisibilityRule) == 0
        assert count(db, models.AppSecret) == 0
        assert count(db, models.AppPupil) == 1
        assert app_list.export(db) == []
        with pytest.raises(NotFound):
            app_stopping.remove(db, "rekenbuur", now=NOW)
        with pytest.raises(NotFound):
            app_secrets.renew(db, "rekenbuur", now=NOW)
    assert house.apps.find("rekenbuur").disabled
    assert events(house)[-1][0] == "app_removed"
    (back,) = imported(house, document())
    assert back.change is Change.CHANGED
    assert back.client_secret
    house.clock.move(seconds=registered.CACHE_SECONDS)
    assert not house.apps.find("rekenbuur").disabled


# ---------------------------------------------------------------- sectors


@pytest.fixture
def sector(house):
    """An installation that may read from this machine, and what stands at an address on it."""
    loopback = house.settings.model_copy(update={"demo": True})
    with make_signed.site() as site:
        yield replace(house, settings=loopback), site


def of_two_hosts(uri):
    uris = ["https://one.example/cb", "https://two.example/cb"]
    return document(redirect_uris=uris, sector_identifier_uri=uri)


def test_JWT_12_a_sector_document_is_read_before_an_import_takes_its_name(sector):
    house, site = sector
    given = of_two_hosts(site.address + "/uris.json")
    for stands, field in (
        (None, "sector_identifier_uri"),
        ({"a": 1}, "sector_identifier_uri"),
        (given["redirect_uris"][:1], "redirect_uris"),
    ):
        if stands is not None:
            site.put("/uris.json", stands)
        with pytest.raises(apps.Refused) as refused:
            imported(house, document("other"), given)
        assert {name: [*told] for name, told in refused.value.problems.items()}.keys() == {"rekenbuur"}
        assert [*refused.value.problems["rekenbuur"]] == [field]
    assert house.apps.find("other") is None
    site.put("/uris.json", given["redirect_uris"])
    (stored,) = imported(house, given)
    assert stored.registration["sector"] == site.address.removeprefix("http://")


def test_a_sector_that_was_proven_is_not_asked_again_until_addresses_change(sector):
    house, site = sector
    given = of_two_hosts(site.put("/uris.json", ["https://one.example/cb", "https://two.example/cb"]))
    imported(house, given)
    asked = len(site.asked)
    (again,) = imported(house, given | {"client_name": "Rekenbuur 2"})
    assert (again.change, len(site.asked)) == (Change.CHANGED, asked)
    with pytest.raises(apps.Refused):
        imported(house, given | {"redirect_uris": [*given["redirect_uris"], "https://three.example/cb"]})
    assert len(site.asked) == asked + 1
