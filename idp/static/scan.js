// How does the page read a card? With the browser's own barcode detector, after a tap, without sending a picture anywhere.
"use strict";

{
  const LONGEST = 30_000; // after this the user-name field is back
  const PAUSE = 150;
  const button = document.querySelector("[data-scan]");
  const view = document.querySelector("[data-camera]");
  const video = view.querySelector("video");
  const stop = view.querySelector("[data-stop]");
  const field = document.getElementById("username");
  let stream = null;

  // Only an address of our own that carries the token of a card or of a help code: <this host>/k/K1… or /h/H1…
  const card = (text) => {
    const host = `${location.origin}/`;
    if (!text.toLowerCase().startsWith(host.toLowerCase())) return null;
    const path = text.slice(host.length).toUpperCase();
    return /^(K\/K|H\/H)1[0-9A-HJKMNP-TV-Z]{26}$/.test(path) ? path.slice(2) : null;
  };

  const end = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    view.hidden = true;
    button.hidden = false;
    field.focus();
  };

  const start = async () => {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: "environment" } } });
    } catch {
      button.hidden = true;
      view.parentElement.querySelector("[data-no-camera]").hidden = false;
      return void field.focus();
    }
    const facing = stream.getVideoTracks()[0].getSettings().facingMode;
    view.classList.toggle("back", facing === "environment");
    button.hidden = true;
    view.hidden = false;
    video.srcObject = stream;
    await video.play();
    const until = performance.now() + LONGEST;
    while (stream && performance.now() < until) {
      const found = await detector.detect(video).catch(() => []);
      const token = found.map((code) => card(code.rawValue)).find(Boolean);
      if (token) {
        // The form keeps the way to the app; the server reads a card from the same field.
        field.value = token;
        end();
        return void field.form.requestSubmit();
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    if (stream) end();
  };

  const ready = async () => {
    if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;
    const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
    if (!formats.includes("qr_code")) return;
    document.querySelector("[data-scan-way]").hidden = false;
    button.addEventListener("click", start);
    stop.addEventListener("click", end);
    addEventListener("pagehide", () => stream && end());
  };
  ready();
}
