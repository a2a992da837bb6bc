"""*Wij zijn stuk*: a page that a proxy sends when we cannot answer, from a folder of its own, with nobody behind it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect

from idp.assets import STATIC

pytestmark = pytest.mark.browser
PAGE = STATIC / "stuk.html"
SAYS = {"nl": "Wij zijn even stuk", "fr": "en panne", "de": "kaputt", "en": "We are broken"}


@pytest.fixture
def proxy() -> Iterator[Any]:
    """A proxy with nobody behind it until `server.well` says otherwise; `server.asked` says what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.asked.append((self.command, self.path))
            body = (
                b"<!doctype html><title>Dag</title><h1>Wie ben je?</h1>"
                if self.server.well
                else PAGE.read_bytes()
            )
            self.send_response(200 if self.server.well else 503)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_said: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.well, server.asked = False, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("language", SAYS)
def test_it_opens_from_a_folder_of_its_own_and_speaks(language, chromium, tmp_path):
    shutil.copy(PAGE, tmp_path / "stuk.html")
    context = chromium.new_context(locale=f"{language}-BE", viewport={"width": 320, "height": 640})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "stuk.html").as_uri())
    expect(page.get_by_role("heading")).to_have_count(1)
    expect(page.get_by_role("heading")).to_contain_text(SAYS[language])
    assert page.locator("html").get_attribute("lang") == language
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(asked) == 1, "needs nothing but itself"
    context.close()


def test_without_script_all_four_languages_show_and_it_asks_again(chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(PAGE.as_uri())
    for words in SAYS.values():
        expect(page.get_by_text(words).first).to_be_visible()
    assert (
        page.locator("noscript meta[http-equiv=refresh]").count() or 'http-equiv="refresh"' in page.content()
    )
    context.close()


@pytest.mark.parametrize(("chance", "least", "most"), [(0, 4_000, 6_000), (0.999, 23_000, 26_000)])
def test_it_asks_again_after_five_seconds_and_up_to_twenty_more(chance, least, most, chromium, proxy):
    context = chromium.new_context(locale="nl-BE")
    page = context.new_page()
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # from here on only the test makes time pass, however busy the machine
    page.add_init_script(f"Math.random = () => {chance}")
    page.goto(f"http://127.0.0.1:{proxy.server_port}/aanmelden?next=%2Fmijn-apps")
    page.clock.run_for(least)
    assert len(proxy.asked) == 1
    proxy.well = True
    with page.expect_navigation():
        page.clock.run_for(most - least)
    expect(page.get_by_role("heading")).to_have_text("Wie ben je?")
    assert proxy.asked[1] == ("GET", "/aanmelden?next=%2Fmijn-apps")
    context.close()


def test_after_a_form_it_asks_for_the_page_and_sends_nothing_twice(chromium, proxy):
    context = chromium.new_context(locale="nl-BE")
    page = context.new_page()
    proxy.well = True
    page.goto(f"http://127.0.0.1:{proxy.server_port}/aanmelden")
    proxy.well = False
    page.set_content(
        '<form method="post" action="/aanmelden"><input name="a" value="b"><button>Volgende</button></form>'
    )
    with page.expect_navigation():
        page.get_by_role("button").click()
    proxy.well = True
    with page.expect_navigation():
        page.get_by_role("link", name="Probeer opnieuw").click()
    assert [method for method, _ in proxy.asked if _ == "/aanmelden"] == ["GET", "POST", "GET"]
    context.close()
