// Answering without a blank moment: the next item is fetched ahead, an answer goes out in the background, and
// what was fetched takes its place. Also Ctrl+Enter, and the time that the person works.
(function () {
  "use strict";
  const IDLE = 60000;
  let ahead = Promise.resolve(null);
  let isSending = false;
  let lastSign = Date.now();
  let shown = location.pathname;
  // A dialogue's next turn goes out as a plain form; the key and the clock are the same.
  const theForm = () => document.querySelector("form[data-answer], form[data-turn]");
  const words = () => theForm().querySelector("[data-draft-status]").dataset;

  function post(url, body) {
    return fetch(url, { method: "POST", body, headers: { "HX-Request": "true" } });
  }

  function refuse(form, sentence) {
    const place = form.querySelector("[data-refusal]");
    const message = document.createElement("p");
    message.className = "message error";
    message.setAttribute("role", "alert");
    message.textContent = sentence;
    place.replaceChildren(message);
    place.focus();
  }

  function refuseSignedOut(form) {
    theForm().querySelector("[data-sign-in]").hidden = false;
    refuse(form, words().signedOut);
  }

  async function sentenceOf(answer) {
    return new DOMParser().parseFromString(await answer.text(), "text/html").body.textContent.trim();
  }

  // The page after this one, null where there is none or it could not be had: then forms lead on as ever.
  async function fetchAhead(form) {
    const { ahead: url } = form.querySelector("[data-ahead]").dataset;
    if (!url) return null;
    const token = new FormData();
    token.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const answer = await post(url, token);
    if (answer.status === 409) refuse(form, await sentenceOf(answer));
    if (answer.status !== 200 || answer.redirected) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return { page, url: answer.headers.get("Content-Location") };
  }

  function show({ page, url }, said) {
    const main = page.querySelector("main");
    document.querySelector("main").replaceWith(main);
    // Only once the region is on the page is a change in it read out.
    main.querySelector("[role=status]").innerHTML = `<div class="message success">${said}</div>`;
    document.title = page.title;
    history.pushState(null, "", url);
    shown = url;
    htmx.process(main);
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("podium:shown"));
  }

  async function goOn(form, said) {
    const next = await ahead;
    if (next) {
      if (form === theForm()) form.dispatchEvent(new CustomEvent("podium:sent"));
      show(next, said);
    } else {
      // Sent once more as a plain form: the same answer twice changes nothing, and the server leads on.
      form.dataset.plain = "";
      form.requestSubmit();
    }
  }

  async function send(form) {
    const answer = await post(form.action, new FormData(form));
    if (answer.redirected || answer.status === 403) refuseSignedOut(form);
    else if (answer.ok) await goOn(form, await answer.text());
    else if (answer.status === 409 || answer.status === 422) refuse(form, await sentenceOf(answer));
    else refuse(form, words().local);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-answer], [data-skip]") || "plain" in form.dataset) return;
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    send(form).catch(() => refuse(form, words().local)).finally(() => { isSending = false; });
  });

  document.addEventListener("keydown", (event) => {
    lastSign = Date.now();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !theForm()) return;
    event.preventDefault();
    (event.target.closest("form[data-skip]") || theForm()).requestSubmit();
  });
  for (const sign of ["pointermove", "pointerdown", "scroll"]) {
    document.addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true });
  }

  function showTime(form) {
    const seconds = Number(form.elements.seconds.value);
    const clock = form.querySelector("[data-clock]");
    clock.textContent = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  }

  setInterval(() => {
    const form = theForm();
    if (!form || document.hidden || Date.now() - lastSign > IDLE) return;
    form.elements.seconds.value = String(Number(form.elements.seconds.value) + 1);
    showTime(form);
  }, 1000);

  function begin() {
    const form = theForm();
    if (!form) return;
    showTime(form);
    ahead = fetchAhead(form).catch(() => null);
  }

  // What was swapped in has an address; going back or forward loads what belongs there.
  window.addEventListener("popstate", () => { if (location.pathname !== shown) location.reload(); });
  document.addEventListener("podium:shown", begin);
  begin();
})();
