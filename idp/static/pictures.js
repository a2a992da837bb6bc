// How does a child tap four pictures? One screen after another, stars that fill, and one form at the end.
// The pictures are radio buttons: arrows move, space or enter picks, and without this file all four groups show.
"use strict";

{
  const QUIET = 300; // milliseconds in which a second touch is ignored
  const SEEN = 170; // the picked tile is seen before the next screen comes

  const form = document.querySelector(".picture-form");
  const screens = [...form.querySelectorAll(".screen")];
  const stars = [...form.querySelectorAll(".stars > span")];
  const told = form.querySelector("[data-told]");
  const back = form.querySelector(".back");
  const typing = form.querySelector("details");
  const words = form.querySelector("input[type=password]");
  let at = 0;
  let deafUntil = 0;
  let arrow = false;

  const draw = (move) => {
    screens.forEach((screen, number) => screen.classList.toggle("now", number === at));
    stars.forEach((star, number) => star.classList.toggle("on", number < at));
    told.textContent = told.dataset.told.replace("0", String(at));
    back.hidden = at === 0 && !back.dataset.away; // behind a card "that is not me" leads away
    if (!move || at === screens.length) return;
    const picked = screens[at].querySelector("input:checked");
    (picked ?? screens[at].querySelector("input")).focus({ preventScroll: true });
    scrollTo({ top: 0 });
  };

  const pick = (input) => {
    if (performance.now() < deafUntil) return;
    deafUntil = performance.now() + QUIET;
    input.checked = true;
    const tile = input.closest(".picture-tile");
    tile.classList.add("picked");
    setTimeout(() => {
      tile.classList.remove("picked");
      if (at < screens.length - 1) {
        at += 1;
        draw(true);
      } else {
        stars.forEach((star) => star.classList.add("on"));
        form.requestSubmit();
      }
    }, SEEN);
  };

  const clear = () => {
    for (const input of form.querySelectorAll("input[type=radio]")) input.checked = false;
    at = 0;
    draw(false);
  };

  const typeOrTap = () => {
    form.classList.toggle("typing", typing.open);
    words.required = typing.open; // sent empty it would be four pictures that nobody tapped
  };

  form.addEventListener("keydown", (event) => {
    if (!event.target.matches("input[type=radio]")) return;
    if (event.key.startsWith("Arrow")) {
      // Moving with the arrows selects, and browsers report that as a click: it is not a pick.
      arrow = true;
      setTimeout(() => (arrow = false), 0);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (event.target.checked && !event.repeat) pick(event.target);
    }
  });
  form.addEventListener("keyup", (event) => {
    // Space on a picture that the arrows had selected is no click to the browser; to the child it is a pick.
    if (event.key === " " && event.target.matches("input[type=radio]:checked")) pick(event.target);
  });
  form.addEventListener("click", (event) => {
    if (!event.target.matches("input[type=radio]")) return;
    if (arrow) return;
    if (performance.now() < deafUntil) return void event.preventDefault();
    pick(event.target);
  });

  back.addEventListener("click", () => {
    if (performance.now() < deafUntil) return;
    deafUntil = performance.now() + QUIET;
    if (at === 0) return void location.assign(back.dataset.away);
    at -= 1;
    for (const input of screens[at].querySelectorAll("input")) input.checked = false;
    draw(true);
  });

  typing.addEventListener("toggle", () => {
    typeOrTap();
    clear();
    if (typing.open) words.focus();
    else words.value = "";
  });

  // Back in the history: the pictures start anew.
  addEventListener("pageshow", (event) => event.persisted && clear());

  typeOrTap();
  // A child may have tapped before this file arrived: that tap counts. (A reload restores nothing: autocomplete is off.)
  const early = screens[0].querySelector("input:checked");
  clear();
  if (early && !typing.open) pick(early);
}
