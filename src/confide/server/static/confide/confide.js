// Keys, focus, and covering again. Everything here is comfort: without it every form still works.
"use strict";
(() => {
  const SHOWN_FOR = 60_000; // milliseconds; the server's words and the CSS say the same
  const $ = (selector, root = document) => root.querySelector(selector);
  const typing = (node) => node.matches("input, select, textarea, [contenteditable]");

  // Cover: what was uncovered leaves the page, the stand-in is there again.
  function cover(shown) {
    const place = shown.closest(".value");
    const held = shown.contains(document.activeElement);
    shown.parentElement.replaceChildren();
    const veil = place && $("details.veil", place);
    if (veil) veil.open = false;
    if (held && veil) $("summary", veil).focus();
  }
  const coverAll = () => document.querySelectorAll("[data-shown]").forEach(cover);

  document.addEventListener("htmx:afterSwap", (event) => {
    const shown = $("[data-shown]", event.detail.target);
    if (!shown) return;
    setTimeout(() => shown.isConnected && cover(shown), SHOWN_FOR);
    $("[data-cover]", shown).focus({ preventScroll: true });
  });
  addEventListener("pagehide", coverAll);
  document.addEventListener("visibilitychange", () => document.hidden && coverAll());

  // A whole page where a part was asked for: the session has ended, or the form is too old.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!/^\s*<!doctype/i.test(event.detail.serverResponse || "")) return;
    event.detail.shouldSwap = false;
    location.reload();
  });
  const say = (words) => { $("#status").textContent = words; };
  document.addEventListener("htmx:sendError", () => say("The server does not answer. Nothing was changed or uncovered; try again in a moment."));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && say(""));

  // The finder.
  const box = () => $("#q");
  const hits = () => [...document.querySelectorAll("#found .hits a")];
  let asked = "";
  let open = false;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === box()) asked = box().value;
  });
  // Who is shown on the way to the one who is meant costs budget, so fewer are shown before Enter.
  let early = false;
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target !== box()) return;
    if (early || event.detail.triggeringEvent?.type === "input") event.detail.parameters.typing = "1";
    early = false;
  });
  // What somebody typed before the scripts were there is nothing new to htmx.
  document.addEventListener("htmx:load", () => {
    if (!box()?.value) return;
    early = true;
    htmx.trigger(box(), "find");
  }, { once: true });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "found" || !open) return;
    open = false;
    if (hits().length === 1 && asked === box().value) hits()[0].click();
  });
  function enter(event) {
    event.preventDefault();
    if (hits().length && asked === box().value) return hits()[0].click();
    open = true;
    htmx.trigger(box(), "find");
  }
  function move(event, step) {
    const all = hits();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    if (at < 0 && document.activeElement !== box()) return;
    event.preventDefault();
    if (at + step < 0) box().focus();
    else all[Math.min(at + step, all.length - 1)].focus();
  }

  const KEYS = {
    "/": () => {
      if (!box()) return false;
      box().focus();
      box().select();
    },
    "?": () => $("#keys") && $("#keys").showModal(),
    c: coverAll,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const node = event.target;
    if (event.key === "ArrowDown") return move(event, 1);
    if (event.key === "ArrowUp") return move(event, -1);
    if (event.key === "Enter" && node === box()) return enter(event);
    if (event.key === "Escape") {
      const veil = node.closest("details[open].veil, details[open].me");
      if (veil) {
        veil.open = false;
        $("summary", veil).focus();
      } else if (hits().includes(node)) box().focus();
      else if (node === box()) box().blur();
      return;
    }
    if (typing(node) || $("dialog[open]") || !KEYS[event.key]) return;
    if (KEYS[event.key]() !== false) event.preventDefault();
  });

  // Asking for a value: the purpose is chosen already, so Enter twice uncovers, however fast.
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("details.veil > summary");
    if (!summary) return;
    event.preventDefault();
    const veil = summary.parentElement;
    const opening = !veil.open;
    document.querySelectorAll("details.veil[open]").forEach((other) => { other.open = false; });
    veil.open = opening;
    if (opening) $("button", veil).focus({ preventScroll: true });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-cover], [data-keys]");
    if (button && button.matches("[data-cover]")) cover(button.closest("[data-shown]"));
    else if (button) $("#keys").showModal();
    const me = $("details.me[open]");
    if (me && !me.contains(event.target)) me.open = false;
  });
  document.querySelectorAll("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });
  document.querySelectorAll("[data-copy]").forEach((button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const parts = document.getElementById(button.dataset.copy).children;
      await navigator.clipboard.writeText([...parts].map((part) => part.textContent).join("\n\n"));
      button.textContent = "Copied";
    });
  });
})();
