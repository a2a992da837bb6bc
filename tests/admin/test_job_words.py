"""Every job has a sentence in the language of the operator, and a rhythm in words."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from idp.admin.operators import job_words
from idp.app import create_app
from idp.errands import jobs
from idp.errands.job_book import Rhythm


def test_every_job_has_a_sentence_for_operators():
    assert {*job_words.WHAT} == {job.name for job in jobs.JOBS}


@pytest.mark.parametrize(
    ("rhythm", "said"),
    [
        (Rhythm(every=timedelta(seconds=1)), "elke seconde"),
        (Rhythm(every=timedelta(minutes=5)), "elke 5 minuten"),
        (Rhythm(every=timedelta(hours=2)), "elke 2 uur"),
        (Rhythm(every=timedelta(days=1)), "elke dag"),
        (Rhythm(at=time(3, 40)), "elke dag om 03:40"),
        (Rhythm(at=time(9), weekday=0), "elke maandag om 09:00"),
    ],
)
def test_a_rhythm_is_said_in_dutch(house, rhythm, said):
    with create_app(house).test_request_context("/", headers={"Accept-Language": "nl"}):
        assert job_words.when(str(rhythm)) == said


def test_what_an_older_book_says_otherwise_stays_as_it_is(house):
    with create_app(house).test_request_context("/"):
        assert job_words.when("now and then") == "now and then"


def test_no_job_keeps_its_english_rhythm(house):
    with create_app(house).test_request_context("/", headers={"Accept-Language": "nl"}):
        assert not [job.name for job in jobs.JOBS if "every" in job_words.when(str(job.rhythm))]
