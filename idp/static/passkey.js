// How does a page talk with a passkey? A form carries the question; its button asks, and sends the answer along.
// Without this file, or without passkeys in the browser, the form stays hidden and the other ways remain.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const words = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
const named = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function ask(question) {
  if (!question.user) {
    const publicKey = { ...question, challenge: bytes(question.challenge), allowCredentials: named(question.allowCredentials) };
    const found = await navigator.credentials.get({ publicKey });
    const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
    return [found, { clientDataJSON: words(clientDataJSON), authenticatorData: words(authenticatorData), signature: words(signature), userHandle: userHandle ? words(userHandle) : null }];
  }
  const publicKey = {
    ...question,
    challenge: bytes(question.challenge),
    user: { ...question.user, id: bytes(question.user.id) },
    excludeCredentials: named(question.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  const { clientDataJSON, attestationObject } = made.response;
  const transports = made.response.getTransports?.() ?? [];
  return [made, { clientDataJSON: words(clientDataJSON), attestationObject: words(attestationObject), transports }];
}

if (!window.PublicKeyCredential) document.documentElement.classList.add("no-passkeys");
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  const problem = form.querySelector("[data-problem]");
  const known = form.querySelector("[data-known]");
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    for (const told of [problem, known]) if (told) told.hidden = true;
    try {
      const [found, response] = await ask(JSON.parse(form.dataset.passkey));
      form.elements.answer.value = JSON.stringify({ id: found.id, rawId: words(found.rawId), type: found.type, response });
      form.submit();
    } catch (no) {
      // Cancelled, too late, or no passkey here: the browser said so, and the person may try again.
      (known && no.name === "InvalidStateError" ? known : problem).hidden = false;
    }
  });
}
