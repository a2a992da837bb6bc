// How does the page read a card? After a tap, with the browser's own detector of QR codes or with ours, which is
// fetched then. No picture leaves this device, and nothing is opened: only a card of ours fills the field and goes on.
"use strict";

{
  const LONGEST = 30_000; // after this the camera stops, and the user-name field has the focus
  const PAUSE = 100; // between two looks
  const PATH = /^(K\/K|H\/H)1[0-9A-HJKMNP-TV-Z]{26}$/;
  const way = document.querySelector("[data-scan-way]");
  const button = way.querySelector("[data-scan]");
  const view = way.querySelector("[data-camera]");
  const video = view.querySelector("video");
  const stop = view.querySelector("[data-stop]");
  const told = way.querySelector("[data-told]");
  const field = document.getElementById("username");
  const hosts = way.dataset.hosts.split(" ");
  let stream = null;
  let busy = false;

  const tell = (what) => {
    const words = what ? told.dataset[what] : "";
    if (told.textContent !== words) told.textContent = words;
  };

  // Only an address of our own that carries the token of a card or of a help code: <one of our hosts>/k/K1… or /h/H1…
  const card = (text) => {
    const host = hosts.find((one) => text.toLowerCase().startsWith(one.toLowerCase()));
    const path = host ? text.slice(host.length).toUpperCase() : "";
    return PATH.test(path) ? path.slice(2) : null;
  };

  const script = (address) =>
    new Promise((resolve, reject) => {
      const made = document.createElement("script");
      made.src = address;
      made.addEventListener("load", resolve);
      made.addEventListener("error", reject);
      document.head.append(made);
    });

  const own = async () => {
    if (!("BarcodeDetector" in window)) return false;
    const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
    return formats.includes("qr_code");
  };

  const detector = async () => {
    const options = { formats: ["qr_code"] };
    if (await own()) return new BarcodeDetector(options);
    if (!window.BarcodeDetectionAPI) await script(way.dataset.reader);
    const ours = window.BarcodeDetectionAPI;
    ours.prepareZXingModule({ overrides: { locateFile: () => way.dataset.wasm } });
    return new ours.BarcodeDetector(options);
  };

  const off = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    view.hidden = true;
    button.hidden = false;
  };

  const end = (what) => {
    off();
    tell(what);
    field.focus();
  };

  const camera = () =>
    navigator.mediaDevices.getUserMedia({
      video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } },
    });

  const look = async (reader, mine) => {
    const until = performance.now() + LONGEST;
    let looks = 0;
    tell("hold");
    performance.mark("scan-first-look");
    while (stream === mine && performance.now() < until) {
      const found = await reader.detect(video).catch(() => []);
      if (stream !== mine) return;
      looks += 1;
      const texts = found.map((code) => code.rawValue);
      const token = texts.map(card).find(Boolean);
      if (token) {
        performance.mark("scan-found", { detail: { looks } });
        // The form keeps the way to the app; the server reads a card from the same field.
        field.value = token;
        off();
        tell("found");
        return void field.form.requestSubmit();
      }
      if (texts.length) tell("other");
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    if (stream === mine) end("late");
  };

  const start = async () => {
    if (busy || stream) return;
    busy = true;
    tell("wait");
    const [opened, made] = await Promise.allSettled([camera(), detector()]);
    busy = false;
    stream = opened.value ?? null;
    if (!opened.value || !made.value || document.hidden) {
      const failed = !opened.value || !made.value;
      end(failed ? "none" : "");
      button.hidden = failed;
      return;
    }
    const facing = stream.getVideoTracks()[0].getSettings().facingMode;
    view.classList.toggle("back", facing === "environment");
    button.hidden = true;
    view.hidden = false;
    stop.focus();
    const mine = stream;
    mine.getVideoTracks()[0].addEventListener("ended", () => stream === mine && end("none"));
    video.srcObject = mine;
    await video.play().catch(() => {});
    if (stream === mine) await look(made.value, mine);
  };

  if (navigator.mediaDevices?.getUserMedia) {
    way.hidden = false;
    button.addEventListener("click", start);
    stop.addEventListener("click", () => end(""));
    view.addEventListener("keydown", (event) => event.key === "Escape" && end(""));
    document.addEventListener("visibilitychange", () => document.hidden && stream && end(""));
    addEventListener("pagehide", () => stream && off());
  }
}
