"""A browser for the tests that take long, as the journeys have it."""

from __future__ import annotations

from tests.journeys.conftest import chromium, driver, page

__all__ = ["chromium", "driver", "page"]
