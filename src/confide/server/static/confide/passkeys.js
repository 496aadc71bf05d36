// Passkeys: the browser's own dialogue, between a button and its form. Without it nobody can use a passkey.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  // The server's words are JSON; the browser wants bytes, and gives bytes.
  function read({ publicKey: asked }) {
    const options = { ...asked, challenge: bytes(asked.challenge) };
    if (asked.user) options.user = { ...asked.user, id: bytes(asked.user.id) };
    if (asked.allowCredentials) options.allowCredentials = named(asked.allowCredentials);
    if (asked.excludeCredentials) options.excludeCredentials = named(asked.excludeCredentials);
    return { publicKey: options };
  }
  function write(made) {
    const response = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
      if (made.response[part]) response[part] = text(made.response[part]);
    if (made.response.getTransports) response.transports = made.response.getTransports();
    return JSON.stringify({
      id: made.id, rawId: text(made.rawId), type: made.type, response,
      clientExtensionResults: made.getClientExtensionResults(),
    });
  }

  const FAILED = {
    NotAllowedError: "The passkey was not used: it was cancelled, or took too long. Try again.",
    InvalidStateError: "This device has a passkey for this login already.",
    SecurityError: "Passkeys need this server's own name in the address, by HTTPS or on localhost.",
  };
  function say(form, words) {
    const place = form.querySelector("[data-passkey-trouble]");
    place.textContent = words;
    place.hidden = !words;
  }

  async function use(button) {
    const form = button.form;
    say(form, "");
    button.disabled = true;
    try {
      let asked = button.dataset.passkey;
      if (!asked) {
        const answer = await fetch(button.dataset.passkeyFrom, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.status);
        asked = await answer.text();
      }
      const options = read(JSON.parse(asked));
      const made = await (options.publicKey.user ? navigator.credentials.create(options) : navigator.credentials.get(options));
      form.querySelector("[data-passkey-answer]").value = write(made);
      form.noValidate = true; // fields of the other way stay empty
      form.requestSubmit();
    } catch (problem) {
      say(form, FAILED[problem.name] || "The passkey could not be used in this browser. Try again, or use another way.");
    } finally {
      button.disabled = false;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-passkey], [data-passkey-from]");
    if (!button) return;
    event.preventDefault();
    if (window.PublicKeyCredential) use(button);
    else say(button.form, "This browser cannot use passkeys here.");
  });
})();
