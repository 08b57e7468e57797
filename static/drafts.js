// Keeps what is typed: in this browser at once, and on the server a second later.
// A form says data-draft="name"; with data-draft-url="..." the server keeps drafts of it too.
(function () {
  "use strict";
  const SENT = "podium-sent";
  const PAUSE = 1000;
  const RETRY = 5000;
  // `drafted` names the server's draft that the form began from.
  const NOT_TYPED = ["csrfmiddlewaretoken", "drafted"];
  let keepers = [];
  let isSubmitting = false;
  let isLeavingPage = false;

  const person = () => document.body.dataset.person;
  const keyOf = (form) => `podium-draft:${person()}:${form.dataset.draft}`;
  const typed = (form) => [...new FormData(form)].filter(([name]) => !NOT_TYPED.includes(name));
  // Someone may type before this script has come over a slow line.
  const isTouched = (form) => [...form.elements].filter((field) => field.name).some((field) => (
    field.matches("textarea, [type=text], [type=number]")
      ? field.value !== field.defaultValue
      : field.matches("[type=radio], [type=checkbox]") && field.checked !== field.defaultChecked
  ));
  const words = (entries) => JSON.stringify(entries.filter(([name]) => name !== "seconds"));
  const baseOf = (form) => (form.elements.drafted ? form.elements.drafted.value : "");

  // A browser may forbid storage, or have no room left.
  function attempt(action, otherwise) {
    try {
      return action();
    } catch {
      return otherwise;
    }
  }

  // Signing in again, in this tab or another, changes the token; the cookie has the one that counts.
  function token() {
    const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    return cookie && cookie[1];
  }

  function freshenToken(form) {
    const field = form.elements.csrfmiddlewaretoken;
    if (field && token()) field.value = token();
  }

  function restore(form, entries) {
    const values = new Map();
    for (const [name, value] of entries) values.set(name, [...(values.get(name) || []), value]);
    const pairs = (values.get("query") || []).length;
    form.dispatchEvent(new CustomEvent("podium:pairs", { detail: pairs }));
    for (const field of form.elements) {
      if (!field.name || NOT_TYPED.includes(field.name)) continue;
      const kept = values.get(field.name) || [];
      if (field.type === "radio" || field.type === "checkbox") field.checked = kept.includes(field.value);
      else if (kept.length) field.value = kept.shift();
    }
    form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function keep(form) {
    const key = keyOf(form);
    const status = form.querySelector("[data-draft-status]");
    const signIn = form.querySelector("[data-sign-in]");
    const older = form.querySelector("[data-older]");
    const url = form.dataset.draftUrl;
    let timer = 0;
    let version = 0;
    let isOnlyHere = false;
    let isPushing = false;

    function say(sentence, isSignedOut = false) {
      status.textContent = sentence;
      signIn.hidden = !isSignedOut;
    }

    function remember() {
      const text = JSON.stringify({ base: baseOf(form), entries: typed(form) });
      isOnlyHere = attempt(() => { localStorage.setItem(key, text); return false; }, true);
    }

    function store() {
      version += 1;
      remember();
      if (isOnlyHere) say(status.dataset.nowhere);
      later(PAUSE);
    }

    function later(pause) {
      clearTimeout(timer);
      if (url) timer = setTimeout(push, pause);
    }

    async function push(isLeaving = false) {
      // One after the other, so that each knows the name of the draft before it.
      if (isPushing && !isLeaving) return later(PAUSE);
      isPushing = true;
      const pushed = version;
      clearTimeout(timer);
      timer = 0;
      freshenToken(form);
      const headers = { "HX-Request": "true" };
      try {
        // A request that outlives the page may carry 64 KB at most, so only the last one does.
        const body = new FormData(form);
        await hear(await fetch(url, { method: "POST", body, headers, keepalive: isLeaving }), pushed);
      } catch {
        retry(isOnlyHere ? status.dataset.nowhere : status.dataset.local);
      }
      isPushing = false;
    }

    async function hear(answer, pushed) {
      if (answer.redirected || answer.status === 403) retry(status.dataset.signedOut, true);
      else if (answer.ok) saved(answer.headers, pushed);
      else if (answer.status === 409 || answer.status === 422) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        say(page.body.textContent.trim());
      } else retry(status.dataset.local);
    }

    function retry(sentence, isSignedOut = false) {
      say(sentence, isSignedOut);
      later(RETRY);
    }

    function saved(headers, pushed) {
      if (form.elements.drafted) form.elements.drafted.value = headers.get("Podium-Draft");
      // What was typed meanwhile goes on from the draft just saved. The next page may have been made before it.
      if (pushed !== version) remember();
      else if (!isLeavingPage) forget();
      say(headers.has("Podium-Draft-Replaced") ? status.dataset.replaced : status.dataset.saved);
    }

    function forget() {
      isOnlyHere = false;
      attempt(() => localStorage.removeItem(key));
    }

    function takeUp({ base, entries }) {
      const bringBack = () => {
        restore(form, entries);
        older.hidden = true;
        say(status.dataset.restored);
        later(PAUSE);
      };
      if (words(entries) === words(typed(form))) return forget();
      if (base === baseOf(form) && !isTouched(form)) return bringBack();
      say(status.dataset.newer);
      older.hidden = false;
      older.addEventListener("click", bringBack);
    }

    const kept = attempt(() => localStorage.getItem(key));
    const isLate = isTouched(form);
    if (kept) takeUp(JSON.parse(kept));
    if (isLate) store();
    form.addEventListener("input", store);
    form.addEventListener("podium:changed", store);
    form.addEventListener("podium:sent", forget);

    return {
      isAtRisk: () => isOnlyHere,
      stop: () => clearTimeout(timer),
      flush: (isLeaving) => { if (timer) push(isLeaving); },
    };
  }

  function begin() {
    for (const keeper of keepers) keeper.stop();
    keepers = [...document.querySelectorAll("form[data-draft]")].map(keep);
  }

  // What was submitted last has arrived if the server, which still knows the person, led on to another page.
  function forgetWhatArrived() {
    const sent = attempt(() => sessionStorage.getItem(SENT));
    attempt(() => sessionStorage.removeItem(SENT));
    const [navigation] = performance.getEntriesByType("navigation");
    const wasLedOn = navigation && navigation.redirectCount > 0 && person();
    const isBack = [...document.querySelectorAll("form[data-draft]")].some((form) => keyOf(form) === sent);
    if (sent && wasLedOn && !isBack) attempt(() => localStorage.removeItem(sent));
  }

  document.addEventListener("submit", (event) => freshenToken(event.target), { capture: true });
  document.addEventListener("htmx:configRequest", (event) => {
    if (token()) event.detail.headers["X-CSRFToken"] = token();
  });
  // Scripts that send a form themselves are loaded before this one.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.draft === undefined) for (const keeper of keepers) keeper.flush(true);
    else if (!event.defaultPrevented) {
      isSubmitting = true;
      attempt(() => sessionStorage.setItem(SENT, keyOf(form)));
    }
  });
  document.addEventListener("visibilitychange", () => {
    for (const keeper of keepers) keeper.flush(document.hidden);
  });
  window.addEventListener("online", () => { for (const keeper of keepers) keeper.flush(false); });
  window.addEventListener("beforeunload", (event) => {
    isLeavingPage = true;
    if (!isSubmitting && keepers.some((keeper) => keeper.isAtRisk())) event.preventDefault();
  });
  document.addEventListener("podium:shown", begin);
  forgetWhatArrived();
  begin();
})();
