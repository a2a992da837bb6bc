"""Does the service do what its own description says? Every operation of it, asked by its own example."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate

from idp.rosters import endpoints, shapes
from tests.make_roster import Rosters
from tests.security.test_operators_api import schemathesis_given

LEFT_OUT = {schemathesis.checks.positive_data_acceptance}
"""What a filter is, and which names there are, is more than a schema can say: such a request is refused with a sentence."""


@pytest.fixture
def bench(house):
    return Rosters(house)


def names(bench, story):
    """A sourcedId that is there, by list."""
    client_id = story.app.client_id
    first = {
        path: bench.items(client_id, path)[0]["sourcedId"] for path in ("users", "classes", "enrollments")
    }
    return first | {
        "orgs": story.school,
        "schools": story.school,
        "students": first["users"],
        "courses": f"{story.school}-klas",
        "academicSessions": "2026-2027",
        "terms": "2026-2027-jaar",
    }


def test_every_described_operation_answers_as_described(bench):
    document: Any = bench.browser.get(endpoints.DISCOVERY).json
    validate(document)
    story = bench.story()
    client_id = story.app.client_id
    known = names(bench, story)
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        assert {*methods} == {"get"}
        collection = path.split("/")[1]
        where = path.replace("{schoolSourcedId}", story.school)
        inner = "classes" if "{schoolSourcedId}" in path else collection
        where = where.replace("{sourcedId}", known.get(inner, "nobody")).lstrip("/")
        answer = bench.get(client_id, where)
        if "nobody" in where:
            assert answer.status_code == 404, where
            assert {*schemas["Failure"]["required"]} <= {*answer.json}
            continue
        assert answer.status_code == 200, (where, answer.text)
        said = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        (word,) = said["properties"]
        found = answer.json[word]
        for item in [found] if "$ref" in said["properties"][word] else found:
            single = shapes.ALONE.get(word, word)
            assert {*item} <= {*schemas[single]["properties"]}, where
            assert item["status"] == "active"


def test_the_description_names_the_token_and_its_scope(bench):
    document: Any = bench.browser.get(endpoints.DISCOVERY).json
    flow = document["components"]["securitySchemes"]["app"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{bench.house.settings.issuer}/token"
    assert [*flow["scopes"]] == [shapes.SCOPE]


def test_whatever_is_sent_is_answered_as_described(bench):
    """Schemathesis, a few examples for every operation, good and bad ones, half of them about what is there. On PostgreSQL one:
    the description is the same, and so is what asks for it.
    """
    story = bench.story()
    client_id, known = story.app.client_id, names(bench, story)
    described = schemathesis.openapi.from_dict(bench.browser.get(endpoints.DISCOVERY).json)
    described.app = bench.app
    heard = Counter()
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=4 if bench.house.database.sqlite else 1,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[*HealthCheck],
        )
        @schemathesis_given(operation)
        def run(case):
            bench.house.clock.move(minutes=1)
            headers = {"Authorization": f"Bearer {bench.kept_token(client_id)}"}
            if "sourcedId" in case.path_parameters and sum(heard.values()) % 2:
                inner = case.path.split("/")[3 if "schoolSourcedId" in case.path else 1]
                real = {"sourcedId": known.get(inner, "nobody"), "schoolSourcedId": story.school}
                case.path_parameters.update({name: real[name] for name in case.path_parameters})
            answer = case.call_and_validate(headers=headers, excluded_checks=[*LEFT_OUT])
            heard[answer.status_code] += 1

        run()
    assert heard[200] > 10, heard
    assert {*heard} <= {200, 400, 403, 404}, heard
