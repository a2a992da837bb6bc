"""A pupil sees the logo of an app, and the app's server does not see the pupil."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests import make_signed
from tests.conformance.party import in_a_year

pytestmark = pytest.mark.browser


def test_the_logo_of_an_app_is_there_before_anybody_signed_in(page: Page, demo, tmp_path):
    drawing = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(drawing, "JPEG")
    with make_signed.site() as site:
        uri = site.put("/logo.jpg", drawing.getvalue(), "image/jpeg")
        file = tmp_path / "app.json"
        file.write_text(
            json.dumps(
                {
                    "client_id": "logo-app",
                    "client_name": "Letterland",
                    "redirect_uris": ["https://letterland.example/cb"],
                    "scope": "openid",
                    "token_endpoint_auth_method": "client_secret_post",
                    "pkce_exempt_until": in_a_year(),
                    "logo_uri": uri,
                }
            )
        )
        demo.idp("app", "import", str(file))
        assert site.asked == ["/logo.jpg"]
        words = "response_type=code&scope=openid&redirect_uri=https%3A%2F%2Fletterland.example%2Fcb"
        page.goto(f"{demo.issuer}/authorize?client_id=logo-app&{words}")
        logo = page.locator("img.app-mark")
        expect(logo).to_be_visible()
        assert logo.evaluate("image => [image.complete, image.naturalWidth, image.offsetWidth]") == [
            True,
            192,
            28,
        ]
        assert site.asked == ["/logo.jpg"]
