"""Does the service do what its own description says? Every operation of it, asked by its own example."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

from idp.rosters import endpoints, shapes
from tests.make_roster import Rosters


@pytest.fixture
def bench(house):
    return Rosters(house)


def test_every_described_operation_answers_as_described(bench):
    document: Any = bench.browser.get(endpoints.DISCOVERY).json
    validate(document)
    story = bench.story()
    client_id = story.app.client_id
    first = {
        path: bench.items(client_id, path)[0]["sourcedId"] for path in ("users", "classes", "enrollments")
    }
    known = first | {
        "orgs": story.school,
        "schools": story.school,
        "students": first["users"],
        "courses": f"{story.school}-klas",
        "academicSessions": "2026-2027",
        "terms": "2026-2027-jaar",
    }
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
