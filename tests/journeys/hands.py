"""With what does a person sign in? A mouse, a finger, or a keyboard alone that must always see where it is."""

from __future__ import annotations

from typing import Any

from idp.login import pictures

PLACE = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const seen = one.matches(".picture-tile input") ? one.nextElementSibling : one;
  const style = getComputedStyle(seen), box = seen.getBoundingClientRect();
  return {
    what: `${one.tagName}.${one.className}#${one.id} ${one.name ?? ""}`,
    ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    shown: box.width > 8 && box.height > 8 && box.bottom > 0 && box.top < innerHeight,
  };
}"""
MOST_STEPS = 60


class Mouse:
    """Points and clicks; types in the field that was clicked."""

    touch = False

    def __init__(self, page: Any, *, script: bool) -> None:
        self.page, self.script = page, script

    def press(self, wanted: Any) -> None:
        wanted.click()

    def write(self, field: Any, text: str) -> None:
        self.press(field)
        self.page.keyboard.type(text)

    def send(self, button: Any) -> None:
        with self.page.expect_navigation():
            self.press(button)

    def pictures(self, secret: str) -> None:
        for screen, word in zip(pictures.SCREENS, secret.split(), strict=True):
            place = next(place for place, picture in enumerate(screen.pictures) if picture.key == word)
            self.pick(screen.name, place)
            if self.script and screen is not pictures.SCREENS[-1]:
                self._next_screen(screen.name)
        if self.script:
            self.page.wait_for_url(lambda url: "/aanmelden" not in url)
        else:
            self.send(self.page.locator("button.no-script"))

    def pick(self, screen: str, place: int) -> None:
        self.press(self.page.locator(f"label.picture-tile:has(input[name={screen}][value='{place}'])"))

    def _next_screen(self, before: str) -> None:
        """The next question is there, and touches count again (a second one within 300 ms does not)."""
        self.page.locator(f".screen:has(input[name={before}])").wait_for(state="hidden")
        self.page.wait_for_timeout(200)


class Finger(Mouse):
    """Taps."""

    touch = True

    def press(self, wanted: Any) -> None:
        wanted.tap()


class Keys(Mouse):
    """Tab, arrows, space and enter; wherever the focus is, it shows."""

    def press(self, wanted: Any) -> None:
        self.reach(wanted)
        self.page.keyboard.press("Enter")

    def write(self, field: Any, text: str) -> None:
        self.reach(field)
        self.page.keyboard.type(text)

    def pick(self, screen: str, place: int) -> None:
        """A radio group: Tab reaches it, arrows move in it, space picks."""
        group = self.page.locator(f"input[name={screen}]")
        if not group.evaluate_all("(all) => all.includes(document.activeElement)"):
            self.reach(group.first)
        for _step in range(place):
            self.page.keyboard.press("ArrowRight")
        self.look()
        assert group.nth(place).evaluate("(one) => one === document.activeElement")
        self.page.keyboard.press("Space")

    def reach(self, wanted: Any) -> None:
        """Press Tab until it is there."""
        for _step in range(MOST_STEPS):
            if wanted.evaluate("(one) => one === document.activeElement"):
                return self.look()
            self.page.keyboard.press("Tab")
            self.look()
        raise AssertionError(f"no Tab leads to {wanted}")

    def look(self) -> None:
        """The focus is seen: a ring of three pixels around something on the screen."""
        here = self.page.evaluate(PLACE)
        assert here is None or (here["ring"] >= 3 and here["shown"]), here
