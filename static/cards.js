// The cards of the ranking screen: folding long outputs, their raw text, and the count of their flags.
// Flags are asked once, in a template; each card gets its own copy before drafts are put back.
(function () {
  "use strict";
  const LONG = 1.2; // times the folded height: from here on there is something to fold
  const VERY_LONG = 2.5; // and from here on it is folded at first
  const cards = () => [...document.querySelectorAll(".output")];
  const fullness = (text) => text.scrollHeight / text.clientHeight;

  function equip(card) {
    const tools = document.getElementById("output-tools").content.cloneNode(true);
    const kept = [...card.querySelectorAll('input[type="hidden"]')];
    for (const box of tools.querySelectorAll("input")) {
      box.name = `flags-${card.dataset.letter}`;
      const field = kept.find((each) => each.value === box.value);
      box.checked = Boolean(field);
      // What the campaign no longer asks stays as a hidden field, and so with the answer.
      if (field) field.remove();
    }
    card.querySelector(".extras").prepend(tools.querySelector(".flags"));
    card.querySelector(".extras").append(tools.querySelector("[data-raw-switch]"));
    card.querySelector(".text").after(tools);
  }

  function fold(card, isFolded) {
    const more = card.querySelector(".more");
    card.toggleAttribute("data-folded", isFolded && !more.hidden);
    more.textContent = isFolded ? more.dataset.more : more.dataset.less;
    more.setAttribute("aria-expanded", String(!isFolded));
  }

  function foldVeryLong() {
    for (const card of cards()) card.setAttribute("data-folded", "");
    const measures = cards().map((card) => fullness(card.querySelector(".text")));
    cards().forEach((card, place) => {
      card.querySelector(".more").hidden = measures[place] < LONG;
      fold(card, measures[place] > VERY_LONG);
    });
  }

  function showRaw(card, isRaw) {
    const text = card.querySelector(".text");
    if (!text.querySelector(".raw")) {
      const raw = document.createElement("div");
      raw.className = "verbatim raw";
      raw.dir = "auto";
      raw.textContent = text.dataset.raw;
      text.append(raw);
    }
    for (const part of text.children) part.hidden = part.classList.contains("raw") !== isRaw;
    card.querySelector("[data-raw-switch]").setAttribute("aria-pressed", String(isRaw));
  }

  function countFlags() {
    for (const flags of document.querySelectorAll(".flags")) {
      flags.querySelector("[data-count]").textContent = flags.querySelectorAll("input:checked").length || "";
    }
  }

  function clicked(event) {
    const button = event.target.closest("button");
    const card = event.target.closest(".output");
    if (!button) return;
    if (button.matches(".more")) fold(card, !card.hasAttribute("data-folded"));
    if (button.matches("[data-raw-switch]")) showRaw(card, button.ariaPressed !== "true");
    if (button.dataset.all === "expand") cards().forEach((each) => fold(each, false));
    if (button.dataset.all === "collapse") cards().forEach((each) => fold(each, true));
    if (button.dataset.all === "raw") {
      const isRaw = button.ariaPressed !== "true";
      button.ariaPressed = String(isRaw);
      cards().forEach((each) => showRaw(each, isRaw));
    }
  }

  function show() {
    const toolbar = document.querySelector(".toolbar");
    if (!toolbar?.hidden) return;
    toolbar.hidden = false;
    cards().forEach(equip);
    foldVeryLong();
    countFlags();
  }

  document.addEventListener("click", clicked);
  document.addEventListener("change", countFlags);
  document.addEventListener("podium:shown", show);
  show();
})();
