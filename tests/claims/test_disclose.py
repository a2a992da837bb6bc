"""Does an app get exactly what law, school and registration allow, at the moment of release?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from idp import clock, entropy, models
from idp.claims import catalogue, consent, disclose, facts, pseudonym, visibility
from idp.claims.catalogue import Gate
from tests import make

CLASS_CHANNELS = [disclose.Channel.ID_TOKEN, disclose.Channel.USERINFO, disclose.Channel.INTROSPECTION]


def told(
    house, story, *, scope=None, asked=None, channel=disclose.Channel.USERINFO, record=True, school=None
):
    with house.database.transaction() as db:
        return disclose.disclose(
            db,
            keys=house.keys,
            app=story.app,
            account_uuid=story.pupil,
            instellingsnummer=school or story.school,
            scope=make.ALL_SCOPES if scope is None else scope,
            asked=asked,
            channel=channel,
            now=house.clock.now(),
            today=house.clock.today(),
            record=record,
        )


def begin(house, **given):
    with house.database.transaction() as db:
        return make.story(db, **given)


def reasons(disclosure):
    return {answer.claim: answer.word for answer in disclosure.answers}


def test_a_pupil_of_a_school_that_shares_gives_every_claim_of_the_catalogue(house):
    story = begin(house)
    got = told(house, story)
    assert got.alive
    assert set(got.claims) == catalogue.NAMES
    klas = got.claims.pop("ov_klassen")
    assert got.claims == {
        "sub": pseudonym.sub_for(house.keys, story.app, story.pupil),
        "given_name": "Gaston",
        "family_name": "Logie",
        "name": "Gaston Logie",
        "ov_account_uuid": story.pupil,
        "ov_leerid_uuid": got.claims["ov_leerid_uuid"],
        "ov_historiek_account_uuid": [],
        "ov_orgcode": story.school,
        "ov_orgnaam": "Basisschool De Wijzer",
        "ov_leerjaar": "3",
        "ov_schooljaar": "2026-2027",
        "ov_administratieve_groep": "derde leerjaar",
    }
    assert len(got.claims["ov_leerid_uuid"]) == 1
    assert klas == [
        {
            "id": pseudonym.klas_id(house.keys, story.app.sector, story.klas),
            "code": "3A",
            "naam": "Klas 3A",
            "soort": "klas",
            "orgcode": story.school,
            "schooljaar": "2026-2027",
        }
    ]
