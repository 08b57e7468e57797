// Keeps what is typed: in this browser at once, and on the server a second later.
// A form says data-draft="name"; with data-draft-url="..." the server keeps drafts of it too.
(function () {
  "use strict";
  const SENT = "podium-sent";
  const PAUSE = 1000;
  const RETRY = 5000;
  const forms = [...document.querySelectorAll("form[data-draft]")];
  const keyOf = (form) => `podium-draft:${document.body.dataset.person}:${form.dataset.draft}`;
  const isKept = (name) => name !== "csrfmiddlewaretoken";

  // What was submitted last arrived if the server led on to another page.
  const sent = sessionStorage.getItem(SENT);
  sessionStorage.removeItem(SENT);
  if (sent && !forms.some((form) => keyOf(form) === sent)) localStorage.removeItem(sent);

  function restore(form, entries) {
    const values = new Map();
    for (const [name, value] of entries) values.set(name, [...(values.get(name) || []), value]);
    const pairs = (values.get("query") || []).length;
    form.dispatchEvent(new CustomEvent("podium:pairs", { detail: pairs }));
    for (const field of form.elements) {
      if (!field.name || !isKept(field.name)) continue;
      const kept = values.get(field.name) || [];
      if (field.type === "radio" || field.type === "checkbox") field.checked = kept.includes(field.value);
      else if (kept.length) field.value = kept.shift();
    }
  }

  function keep(form) {
    const key = keyOf(form);
    const status = form.querySelector("[data-draft-status]");
    const url = form.dataset.draftUrl;
    let timer = 0;
    let version = 0;
    const say = (words) => { status.textContent = words; };

    function store() {
      version += 1;
      const entries = [...new FormData(form)].filter(([name]) => isKept(name));
      localStorage.setItem(key, JSON.stringify(entries));
      later(PAUSE);
    }

    function later(pause) {
      if (!url) return;
      clearTimeout(timer);
      timer = setTimeout(push, pause);
    }

    async function push() {
      const pushed = version;
      timer = 0;
      try {
        const answer = await fetch(url, {
          method: "POST", body: new FormData(form), headers: { "HX-Request": "true" }, keepalive: true,
        });
        if (answer.ok && !answer.redirected) {
          if (pushed === version) localStorage.removeItem(key);
          say(status.dataset.saved);
        } else if (answer.status === 409 || answer.status === 422) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          say(page.body.textContent.trim());
        } else throw new Error(answer.status);
      } catch {
        say(status.dataset.local);
        later(RETRY);
      }
    }

    const kept = localStorage.getItem(key);
    if (kept) {
      restore(form, JSON.parse(kept));
      form.dispatchEvent(new Event("change", { bubbles: true }));
      say(status.dataset.restored);
      later(PAUSE);
    }
    form.addEventListener("input", store);
    form.addEventListener("podium:changed", store);
    form.addEventListener("submit", () => {
      clearTimeout(timer);
      timer = 0;
      sessionStorage.setItem(SENT, key);
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && timer) { clearTimeout(timer); push(); }
    });
  }

  forms.forEach(keep);
})();
