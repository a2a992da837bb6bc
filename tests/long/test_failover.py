"""The machine with the primary dies under load: nothing that was acknowledged is lost, and service is back by itself."""

from __future__ import annotations

import time

import pytest
import requests

from tests.journeys.conftest import running as demo
from tests.long import cluster
from tests.long.load import Load

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def patroni():
    with cluster.running() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One installation for all: its keys and its database belong together."""
    return tmp_path_factory.mktemp("installation")


def test_FAULT_04_the_primary_dies_under_load_and_no_acknowledged_write_is_lost(patroni, data):
    with demo(data, IDP_DATABASE_URL=patroni.url) as shown, Load([shown.issuer], shown.sandbox) as load:
        cluster.wait_for(lambda: len(load.told.good) >= 6, 60)
        before = patroni.primary()
        patroni.kill(before)
        killed = time.monotonic()
        cluster.wait_for(
            lambda: any(moment > killed for moment in load.told.good), 60, lambda: load.told.away[-3:]
        )
        back = next(moment for moment in load.told.good if moment > killed) - killed
        patroni.start(before)
        cluster.wait_for(patroni.is_safe, 60, lambda: patroni.log.read_text()[-3000:])
        after = len(load.told.good)
        cluster.wait_for(lambda: len(load.told.good) >= after + 6, 60)
    told = load.told
    assert not told.wrong, told.wrong[:3]
    assert told.away, "the load never met the failure: this test would prove nothing"
    assert back <= 30, f"service was back after {back:.0f} s"

    with demo(data, IDP_DATABASE_URL=patroni.url) as shown:
        """The same installation, started anew: what it said before is still so."""
        for walk, token in told.chains:
            walk.app = shown.sandbox["apps"][0]
            assert "refresh_token" in walk.refresh(shown.issuer, token)
        for walk, code in told.codes:
            with pytest.raises(AssertionError, match="invalid_grant"):
                walk.redeem(shown.issuer, code)


def test_FAULT_01_PostgreSQL_is_stopped_and_started_and_service_comes_back_by_itself(patroni, data):
    with demo(data, IDP_DATABASE_URL=patroni.url) as shown, Load([shown.issuer], shown.sandbox) as load:
        cluster.wait_for(lambda: len(load.told.good) >= 3, 60)
        answer = requests.get(f"{shown.issuer}/health/ready", timeout=5)
        assert answer.status_code == 200, answer.text
        for node in patroni.nodes:
            patroni.kill(node)
        cluster.wait_for(
            lambda: requests.get(f"{shown.issuer}/health/ready", timeout=9).status_code == 503, 30
        )
        assert requests.get(f"{shown.issuer}/health/live", timeout=5).status_code == 200
        for node in patroni.nodes:
            patroni.start(node)
        began = time.monotonic()
        cluster.wait_for(
            lambda: any(moment > began for moment in load.told.good),
            90,
            lambda: patroni.log.read_text()[-3000:],
        )
        cluster.wait_for(
            lambda: requests.get(f"{shown.issuer}/health/ready", timeout=9).status_code == 200, 30
        )
    assert not load.told.wrong, load.told.wrong[:3]
