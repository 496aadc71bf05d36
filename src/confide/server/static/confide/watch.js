// The page of the watch keeps itself up to date: told by the server, or asking now and then where it is not.
"use strict";
(() => {
  const part = () => document.querySelector("#watch");
  const news = document.querySelector("#watch-news");
  const ASKS = 10_000; // milliseconds between two questions where there is no stream
  const LOOKS = 60_000; // and always, for what is seen changes without a finding
  let asking = 0;
  let source = null;

  // Whoever reads, types or has a table open is not interrupted: a button says that there is something new.
  const busy = () => {
    const here = part();
    return here.querySelector("details[open]") || here.contains(document.activeElement);
  };
  const look = () => {
    if (document.hidden) return;
    if (busy()) news.hidden = false;
    else htmx.trigger(part(), "look");
  };
  const show = () => {
    news.hidden = true;
    htmx.trigger(part(), "look");
  };
  document.querySelector("[data-watch-show]").addEventListener("click", show);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (!event.detail.elt || !part()) return;
    const waits = Number(part().dataset.waits);
    document.title = (waits ? `(${waits}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  });

  const ask = () => { asking ||= setInterval(look, ASKS); };
  const listen = () => {
    if (!window.EventSource) return ask();
    source = new EventSource(part().dataset.stream);
    source.addEventListener("mark", (event) => {
      clearInterval(asking);
      asking = 0;
      if (event.data !== part().dataset.mark) look();
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes again by itself
      ask();
      setTimeout(listen, 6 * ASKS);
    });
  };
  setInterval(look, LOOKS);
  addEventListener("pagehide", () => source && source.close());
  listen();
})();
