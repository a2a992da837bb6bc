// What do all pages share? Show a password, send a form once, count down, try again by itself, point at a mistake.
// Everything works without this file too.
"use strict";

for (const field of document.querySelectorAll("[data-reveal]")) {
  const input = field.querySelector("input");
  const button = field.querySelector("button");
  const word = button.querySelector(".word");
  button.hidden = false;
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.classList.toggle("shown", shown);
    // Its name is the word that stands there: who speaks to the device says what they read. (On a narrow page it is hidden.)
    word.textContent = shown ? button.dataset.hide : button.dataset.show;
    button.setAttribute("aria-label", word.textContent);
  };
  show(false);
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // A password that is sent while it is shown would be kept by the browser as ordinary text.
  input.form.addEventListener("submit", () => show(false));
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.classList.contains("busy")) event.preventDefault();
    form.classList.add("busy");
  });
}
// Back in the history shows the page as it was left: let it be used again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // the first showing: a form that was just sent stays sent
  for (const form of document.querySelectorAll("form.busy")) form.classList.remove("busy");
});

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

for (const waiting of document.querySelectorAll("[data-countdown]")) {
  const total = Number(waiting.dataset.countdown);
  const end = Date.now() + total * 1000;
  const numbers = waiting.querySelectorAll("[data-seconds]");
  const ring = waiting.querySelector(".left");
  const said = waiting.querySelector("[data-over]");
  const again = waiting.querySelector("[data-when-done]");
  const round = ring ? 2 * Math.PI * ring.r.baseVal.value : 0;
  if (ring) ring.style.strokeDasharray = String(round);
  again?.setAttribute("aria-disabled", "true");
  again?.addEventListener("click", (event) => {
    if (again.hasAttribute("aria-disabled")) event.preventDefault();
  });
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    for (const number of numbers) number.textContent = "clock" in number.dataset ? clock(left) : String(left);
    if (again) said.textContent = said.textContent.replace(/\d+/, String(left));
    if (ring) ring.style.strokeDashoffset = String(round * (1 - left / total));
    if (left > 0) return void setTimeout(tick, 250);
    again?.removeAttribute("aria-disabled");
    waiting.classList.add("over");
    said.textContent = said.dataset.over;
    if (again && document.activeElement === said) again.focus();
  };
  tick();
}

// Many who failed together must not return together: each waits a moment of its own.
for (const again of document.querySelectorAll("[data-retry]")) {
  const [least, most] = again.dataset.retry.split("-").map(Number);
  setTimeout(() => again.click(), 1000 * (least + Math.random() * (most - least)));
}

// A field that looks for one of many hides the others while somebody types. (Without this file the server looks.)
for (const form of document.querySelectorAll("[data-filter]")) {
  const field = form.querySelector("input");
  const said = form.querySelector("[data-none]");
  const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  const all = [...document.querySelectorAll(form.dataset.filter)];
  const names = all.map((one) => plain(one.querySelector(".tile-name").textContent));
  const look = () => {
    const wanted = plain(field.value.trim());
    all.forEach((one, place) => (one.hidden = !names[place].includes(wanted)));
    said.textContent = all.every((one) => one.hidden) ? said.dataset.none : "";
  };
  form.querySelector("button").hidden = !new URLSearchParams(location.search).get("zoek");
  field.addEventListener("input", look);
}

// A code behind the # of an address (from a QR) is filled in, and leaves the address: it was never sent.
for (const field of document.querySelectorAll("[data-from-hash]")) {
  if (/^#[0-9A-Za-z]{8}$/.test(location.hash)) field.value = location.hash.slice(1);
  if (location.hash) history.replaceState(null, "", location.pathname);
}

// What happened is read out first, but never takes the keyboard from somebody who already types.
if (!document.activeElement?.matches("input, textarea, select")) document.querySelector("[data-focus]")?.focus();

// An identifier is copied with a button; it says so for a moment.
for (const button of document.querySelectorAll("[data-copy]")) {
  const word = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      setTimeout(() => (button.textContent = word), 2000);
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
    }
  });
}
