// What makes a long list quick? `/` searches, arrows move, space selects, shift selects a range; names are checked live; long work says how far it is.
// Everything works without this file too.
"use strict";

const search = document.querySelector("[data-search]");
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey || !search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// Back to the list as it was, with its filters.
for (const back of document.querySelectorAll("[data-back]")) {
  const from = document.referrer ? new URL(document.referrer) : null;
  if (from?.origin === location.origin && from.pathname === back.pathname) back.href = from.href;
}

for (const form of document.querySelectorAll("[data-filters]")) {
  for (const choice of form.querySelectorAll("select")) {
    // With the keyboard every step of a closed select is a change: wait until it is left, or Enter is pressed.
    let byMouse = false;
    choice.addEventListener("pointerdown", () => { byMouse = true; });
    choice.addEventListener("keydown", () => { byMouse = false; });
    choice.addEventListener("change", () => { if (byMouse) form.requestSubmit(); });
  }
}

for (const list of document.querySelectorAll("[data-list]")) {
  const all = list.querySelector("[data-all]");
  const rows = [...list.querySelectorAll("[data-row]")];
  const bar = list.querySelector("[data-bar]");
  const count = bar.querySelector("[data-count]");
  const said = bar.querySelector("[data-said]");
  const total = Number(list.dataset.total);
  let anchor = null; // where a range begins

  const show = () => {
    const picked = rows.filter((row) => row.checked).length;
    const number = all.checked ? total : picked;
    all.indeterminate = !all.checked && picked > 0;
    bar.hidden = number === 0;
    count.textContent = String(number);
    said.textContent = number === 1 ? said.dataset.one : said.dataset.many;
  };
  const pick = (from, to, checked) => {
    const [first, last] = [rows.indexOf(from), rows.indexOf(to)].sort((one, other) => one - other);
    for (const row of rows.slice(first, last + 1)) row.checked = checked;
  };
  all.addEventListener("change", () => {
    for (const row of rows) row.checked = all.checked;
    show();
  });
  for (const row of rows) {
    row.addEventListener("click", (event) => {
      if (event.shiftKey && anchor) pick(anchor, row, row.checked);
      else anchor = row;
      if (!row.checked) all.checked = false;
      show();
    });
    row.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = rows[rows.indexOf(row) + step] ?? (step < 0 ? all : null);
      if (!next) return;
      if (event.shiftKey && next !== all) {
        row.checked = next.checked = true;
        show();
      }
      next.focus();
    });
  }
  all.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    rows[0].focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || event.target !== document.body) return;
    event.preventDefault();
    rows[0].focus();
  });
  // Coming back, a browser restores what was ticked after this ran.
  window.addEventListener("pageshow", show);
  show();
}

// How far the work is; when it is done (or stopped) the page itself says what is next.
const underway = document.querySelector("[data-progress]");
if (underway) {
  const look = async () => {
    const answer = await fetch(location.href).catch(() => null);
    if (answer?.ok) {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-progress]");
      if (!now) return location.reload();
      underway.querySelector("progress").value = now.querySelector("progress").value;
      underway.querySelector("[data-number]").textContent = now.querySelector("[data-number]").textContent;
    }
    setTimeout(look, 1000);
  };
  setTimeout(look, 1000);
}

// Another kind of password is another password: what is shown is not the one that will be given.
for (const secret of document.querySelectorAll("[data-secret]")) {
  document.querySelector(`[name="${secret.dataset.secret}"]`).addEventListener("change", () => { secret.textContent = "…"; });
}

for (const field of document.querySelectorAll("[data-username]")) {
  const problem = document.getElementById(field.getAttribute("aria-describedby").split(" ").pop());
  let waiting = 0;
  let asked = 0;
  const check = async () => {
    const turn = (asked += 1);
    const body = new URLSearchParams({
      csrf_token: field.form.elements.csrf_token.value,
      school: field.form.elements.school.value,
      naam: field.value.trim(),
      nu: field.dataset.now,
    });
    const answer = await fetch(field.dataset.username, { method: "POST", body }).catch(() => null);
    if (!answer?.ok || turn !== asked) return; // the form itself says what is wrong
    const said = (await answer.json()).problem;
    problem.textContent = said;
    field.toggleAttribute("aria-invalid", Boolean(said));
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(check, 300);
  });
}
