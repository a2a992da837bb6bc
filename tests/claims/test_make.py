"""Do the factories make what they say?"""

from __future__ import annotations

from tests import make


def test_a_story_can_be_told_twice_in_one_database(house):
    with house.database.transaction() as db:
        first, second = make.story(db), make.story(db, visible=False, shares=False, in_class=False)
    assert first.pupil != second.pupil
    assert first.app.scopes == second.app.scopes
