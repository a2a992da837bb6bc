"""Who is at the desk in most of these tests?"""

from __future__ import annotations

import pytest

from idp.models import RightKind
from tests import make_staff


@pytest.fixture
def mira(client, house):
    """An operator, signed in with `client`."""
    made = make_staff.staff(house, RightKind.OPERATOR)
    make_staff.begin(client, house, made)
    return made
