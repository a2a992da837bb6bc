"""An operator looks at enrolments that wait, and applies or declines them with one button."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from idp.feeds import deliveries, held
from idp.models import AuditEvent, Delivery, DeliveryState, Enrolment
from tests import make_feeds
from tests.make_staff import post

LIST = "/beheer/leveringen"


@pytest.fixture
def waits(house):
    return make_feeds.held_enrolments(house, naam="De Regenboog")


def state(house, delivery: str) -> tuple[str, str | None]:
    with house.database.reading() as db:
        row = db.execute(select(Delivery.state, Delivery.decided_by).where(Delivery.id == delivery)).one()
    return row.state, row.decided_by


def running(house, school: str) -> int:
    today = house.clock.today()
    with house.database.reading() as db:
        rows = db.execute(
            select(Enrolment.stamnummer).where(
                Enrolment.instellingsnummer == school,
                Enrolment.begindatum <= today,
                Enrolment.einddatum >= today,
            )
        )
        return len(rows.all())


def test_what_waits_is_listed_and_an_empty_list_says_what_would_be_here(house, client, mira):
    assert "Er wacht niets op jou" in client.get(LIST).text
    _school, delivery = make_feeds.held_enrolments(house, naam="De Regenboog")
    other, of_classes = make_feeds.held_delivery(house)
    page = client.get(LIST).text
    assert f"{LIST}/{delivery}" in page
    assert "De Regenboog" in page
    assert f"{LIST}/{of_classes}" not in page, "the school decides about its classes"
    assert f"/beheer/scholen/{other}" in page
    assert f"{LIST}/{delivery}" in client.get("/beheer").text
    assert client.get(f"{LIST}/{of_classes}").status_code == 404


def test_the_difference_is_shown_by_group_with_stamnummers_and_no_name(house, client, mira, waits):
    _school, delivery = waits
    page = client.get(f"{LIST}/{delivery}").text
    main = page.partition("<main")[2]
    assert "1e lj A: van 40 naar 30 leerlingen" in main
    assert "2e lj B: van 0 naar 1 leerling<" in main
    assert "30, 31, 32" in main
    assert "Peeters" not in main
    assert "misschien is het bestand afgebroken" in main


def test_applying_changes_the_enrolments_says_who_looked_and_a_second_tap_finds_it_decided(
    house, client, mira, waits
):
    school, delivery = waits
    answer = post(client, f"{LIST}/{delivery}", besluit="toepassen")
    assert answer.headers["Location"] == f"{LIST}?bericht=toegepast"
    assert running(house, school) == 31
    assert state(house, delivery) == (DeliveryState.APPLIED, f"person:{mira.person_id}")
    again = post(client, f"{LIST}/{delivery}", besluit="weigeren")
    assert again.headers["Location"] == f"{LIST}?bericht=beslist"
    assert "al beslist" in client.get(again.headers["Location"]).text
    with house.database.reading() as db:
        told = db.execute(select(AuditEvent.actor).where(AuditEvent.event == "enrolments_imported"))
        assert f"person:{mira.person_id}" in told.scalars().all()


def test_declining_leaves_everything_and_deletes_the_rows(house, client, mira, waits):
    school, delivery = waits
    answer = post(client, f"{LIST}/{delivery}", besluit="weigeren")
    assert answer.headers["Location"] == f"{LIST}?bericht=geweigerd"
    assert running(house, school) == 40
    assert state(house, delivery) == (DeliveryState.REFUSED, f"person:{mira.person_id}")
    with house.database.reading() as db:
        assert held.waiting(db, kind=deliveries.ENROLMENTS) == ()
        events = select(AuditEvent.details).where(AuditEvent.event == "hold_decided")
        assert db.execute(events).scalar_one()["decision"] == "declined"


def test_nothing_is_decided_by_another_word_or_without_a_recent_proof(house, client, mira, waits, stopped):
    school, delivery = waits
    assert post(client, f"{LIST}/{delivery}", besluit="x").headers["Location"] == f"{LIST}/{delivery}"
    stopped.move(minutes=house.settings.staff_fresh_minutes + 1)
    answer = post(client, f"{LIST}/{delivery}", besluit="toepassen")
    assert answer.headers["Location"].startswith("/personeel/bevestigen")
    assert running(house, school) == 40
