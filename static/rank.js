// The ranking screen: ratings and ranks live in the form's fields; the board, the cards and the keys
// change them and show them. After a page came without a load, `show` looks everything up anew.
(function () {
  "use strict";
  const KEYS_OFF = "podium-keys-off";
  let form, board, words, letters;
  let current = "A"; // the output whose card or chip has the focus, or had it last
  let before = null; // the ranks before they were filled from the ratings
  let isKeyed = storage()?.getItem(KEYS_OFF) !== "true";

  function storage() {
    try { return localStorage; } catch { return null; } // a browser may forbid it
  }

  function keepKeys(isOn) {
    isKeyed = isOn;
    storage()?.setItem(KEYS_OFF, String(!isOn));
  }

  // What the form says
  const rankField = (letter) => form.elements[`rank-${letter}`];
  const rankOf = (letter) => rankField(letter).value;
  const ratingOf = (letter) => form.elements[`rating-${letter}`].value;
  const card = (letter) => form.querySelector(`.output[data-letter="${letter}"]`);
  const chip = (letter) => board.querySelector(`[data-letter="${letter}"] > .chip`);
  const listOf = (letter) => board.querySelector(`[data-rank="${rankOf(letter)}"]`) || board.querySelector('[data-rank=""]');
  const byRank = () => letters.filter(rankOf).sort((a, b) => rankOf(a) - rankOf(b));

  function after(letter) {
    const next = letters.indexOf(letter) + 1;
    return [...letters.slice(next), ...letters.slice(0, next - 1)];
  }

  // What the person hears and sees of it
  function filled(pattern, values) {
    return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  function joined(names) {
    if (names.length < 2) return names.join("");
    return names.slice(0, -1).join(words.comma) + words.and + names.at(-1);
  }

  function sayOrder(preface) {
    const ordinals = words.ordinals.split("|");
    const ranked = byRank();
    const places = [...new Set(ranked.map(rankOf))].map((rank) => {
      const outputs = ranked.filter((letter) => rankOf(letter) === rank);
      const place = ordinals[ranked.indexOf(outputs[0])];
      return filled(outputs.length > 1 ? words.tied : words.alone, { outputs: joined(outputs), place });
    });
    const waiting = letters.filter((letter) => !rankOf(letter));
    const rest = waiting.length ? [filled(words.unranked, { outputs: joined(waiting) })] : [];
    const order = ranked.length ? [places.join(words.then), ...rest].join(words.stop) : "";
    form.querySelector("[data-order]").textContent = preface + order;
  }

  function sayConflicts() {
    const line = form.querySelector("[data-conflicts]");
    const conflicts = [];
    for (const better of byRank()) {
      for (const worse of byRank()) {
        const isAbove = Number(rankOf(better)) < Number(rankOf(worse));
        if (isAbove && ratingOf(better) && ratingOf(better) < ratingOf(worse)) conflicts.push({ better, worse });
      }
    }
    const first = conflicts.slice(0, 2).map((conflict) => filled(line.dataset.words, conflict));
    const more = conflicts.length - first.length;
    line.textContent = [...first, more ? filled(line.dataset.more, { more }) : ""].join(" ");
  }

  function showValues(preface = "") {
    for (const letter of letters) {
      const item = chip(letter).parentElement;
      const list = listOf(letter);
      const later = [...list.children].find((other) => other.dataset.letter > letter);
      if (item.parentElement !== list) list.insertBefore(item, later || null);
      const name = list.dataset.rank ? board.dataset.chip : board.dataset.waiting;
      chip(letter).ariaLabel = filled(name, { letter, rank: list.dataset.rank });
    }
    form.querySelector("[data-put-back]").hidden = !before;
    sayOrder(preface);
    sayConflicts();
  }

  function mark(letter) {
    current = letter;
    for (const other of letters) {
      card(other).toggleAttribute("data-current", other === letter);
      chip(other).tabIndex = other === letter ? 0 : -1;
    }
  }

  // Going from one to the next
  function setSheet(isOpen) {
    form.querySelector(".board-card").toggleAttribute("data-open", isOpen);
    form.querySelector(".sheet-button").setAttribute("aria-expanded", String(isOpen));
  }

  function goToCard(letter) {
    setSheet(false);
    card(letter).focus({ preventScroll: true });
    card(letter).scrollIntoView({ block: "nearest" });
  }

  function goToChip(letter) {
    setSheet(true);
    chip(letter).focus();
  }

  function goBy(elements, from, step) {
    const next = elements[elements.indexOf(from) + step];
    if (next) (board.contains(next) ? goToChip : goToCard)(next.closest("[data-letter]").dataset.letter);
  }

  // Changing what the form says
  function changed(preface) {
    showValues(preface);
    form.dispatchEvent(new CustomEvent("podium:changed"));
  }

  function rate(letter, rating) {
    const radio = [...form.elements[`rating-${letter}`]].find((one) => one.value === rating);
    if (!radio) return;
    radio.checked = true;
    changed();
    goToCard(after(letter).find((other) => !ratingOf(other)) || letter);
  }

  function rank(letter, value) {
    rankField(letter).value = value;
    before = null;
    changed();
  }

  function rankAndGoOn(letter, value) {
    if (value > letters.length) return;
    rank(letter, value);
    goToChip(after(letter).find((other) => !rankOf(other)) || letter);
  }

  function move(letter, step) {
    const ranks = [...letters.keys()].map((place) => String(place + 1)).concat("");
    const place = ranks.indexOf(rankOf(letter)) + step;
    rank(letter, ranks[Math.min(Math.max(place, 0), letters.length)]);
    goToChip(letter);
  }

  function tie(letter) {
    const own = Number(rankOf(letter) || Infinity);
    const above = byRank().findLast((other) => rankOf(other) < own);
    if (above) rankAndGoOn(letter, rankOf(above));
  }

  function fill() {
    const ratings = [...new Set(letters.map(ratingOf).filter(Boolean))].sort().reverse();
    if (!ratings.length) return;
    const ranks = letters.map(rankOf);
    for (const letter of letters) rankField(letter).value = ratings.indexOf(ratingOf(letter)) + 1 || "";
    before = ranks;
    changed(words.filled);
  }

  function putBack() {
    letters.forEach((letter, place) => { rankField(letter).value = before[place]; });
    before = null;
    changed();
    form.querySelector("[data-fill]").focus();
  }

  function dropped(event) {
    // Between two chips the dragging finds no list, so look what is under the finger or the mouse.
    const { clientX, clientY } = event.originalEvent.changedTouches?.[0] || event.originalEvent;
    const slot = document.elementFromPoint(clientX, clientY)?.closest(".slot");
    const list = slot?.querySelector("[data-rank]") || event.to;
    rank(event.item.dataset.letter, list.dataset.rank);
    goToChip(event.item.dataset.letter);
  }

  function compare() {
    const dialog = document.getElementById("compare");
    const [left, right] = dialog.querySelectorAll("select");
    for (const side of [left, right]) side.replaceChildren(...letters.map((letter) => new Option(letter)));
    left.value = current;
    right.value = after(current)[0];
    dialog.showModal();
    left.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // Mouse and touch
  const clicks = {
    ".chip": (button) => goToChip(button.parentElement.dataset.letter),
    "[data-move]": (button) => rankAndGoOn(current, button.dataset.move),
    "[data-fill]": fill,
    "[data-put-back]": putBack,
    ".sheet-button": (button) => setSheet(button.ariaExpanded !== "true"),
    '[data-opens="keys"]': () => document.getElementById("keys").showModal(),
    '[data-opens="compare"]': compare,
  };

  function clicked(event) {
    const selector = Object.keys(clicks).find((one) => event.target.closest(one));
    if (selector) clicks[selector](event.target.closest(selector));
  }

  // Keys
  const isTyping = (element) => element.matches('textarea, select, input:not([type="radio"], [type="checkbox"])');
  const hasDialog = () => document.querySelector("dialog[open]");
  const anywhere = { "?": clicks['[data-opens="keys"]'], s: compare };

  function boardKeys(key) {
    const chips = [...board.querySelectorAll(".chip")];
    const from = chip(current);
    return {
      r: () => goToCard(current),
      "=": () => tie(current),
      ArrowUp: () => goBy(chips, from, -1),
      ArrowDown: () => goBy(chips, from, 1),
      ArrowLeft: () => move(current, -1),
      ArrowRight: () => move(current, 1),
      "Alt+ArrowUp": () => move(current, -1),
      "Alt+ArrowDown": () => move(current, 1),
    }[key] || (/^[1-9]$/.test(key) && (() => rankAndGoOn(current, key)));
  }

  function cardKeys(key, target) {
    const held = target.closest(".output");
    const arrows = held !== target ? {} : {
      ArrowUp: () => goBy(letters.map(card), held, -1),
      ArrowDown: () => goBy(letters.map(card), held, 1),
    };
    return held && {
      x: () => held.querySelector(".more").click(),
      n: () => { held.querySelector(".notes").open = true; held.querySelector(".notes textarea").focus(); },
      ...arrows,
    }[key] || (held && /^[1-7]$/.test(key) && (() => rate(current, key)));
  }

  function actionOf(key, target) {
    const onBoard = board.contains(target);
    const letter = key.toUpperCase();
    if (letters.includes(letter)) return () => (onBoard ? goToChip : goToCard)(letter);
    if (onBoard) return boardKeys(key) || anywhere[key];
    if (key === "r") return () => goToChip(letters.find((one) => !rankOf(one)) || current);
    return cardKeys(key, target) || anywhere[key];
  }

  function escape(target) {
    const held = target.closest(".output");
    const open = target.closest("details[open]");
    if (isTyping(target)) { target.blur(); held?.focus(); }
    else if (open) { open.open = false; open.firstElementChild.focus(); }
    else if (board.contains(target)) goToCard(current);
    else setSheet(false);
  }

  function pressed(event) {
    if (!form?.isConnected || hasDialog() || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") return escape(event.target);
    if (isTyping(event.target) || (!isKeyed && event.key.length === 1)) return;
    const key = (event.altKey ? "Alt+" : "") + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    const action = actionOf(key, event.target);
    if (!action) return;
    event.preventDefault();
    action();
  }

  function focused(event) {
    const holder = form?.contains(event.target) && event.target.closest("[data-letter]");
    if (!holder) return;
    mark(holder.dataset.letter);
    if (board.contains(holder)) card(current).scrollIntoView({ block: "nearest" });
  }

  // Showing a page
  function addChip(letter) {
    const item = document.createElement("li");
    const name = document.createElement("strong");
    const start = document.createElement("span");
    const button = document.createElement("button");
    item.dataset.letter = letter;
    name.textContent = letter;
    start.textContent = card(letter).querySelector(".text").textContent.trim().slice(0, 60);
    start.dir = "auto";
    button.type = "button";
    button.className = "chip";
    button.append(name, " ", start);
    item.append(button);
    board.querySelector('[data-rank=""]').append(item);
  }

  function show() {
    form = document.querySelector("form.desk");
    board = form?.querySelector(".board");
    if (!board) return;
    words = form.querySelector("[data-order]").dataset;
    letters = [...form.querySelectorAll(".output")].map((output) => output.dataset.letter);
    before = null;
    if (board.hidden) {
      letters.forEach(addChip);
      for (const list of board.querySelectorAll("[data-rank]")) {
        // Its own dragging instead of the browser's, so that a finger and a mouse do the same.
        new Sortable(list, { group: "ranks", animation: 120, forceFallback: true, fallbackTolerance: 4, onEnd: dropped });
      }
      for (const part of document.querySelectorAll(".board, .sheet-button, [data-opens]")) part.hidden = false;
    }
    document.querySelector("[data-keys]").checked = isKeyed;
    mark(letters[0]);
    showValues();
  }

  document.addEventListener("click", clicked);
  document.addEventListener("keydown", pressed);
  document.addEventListener("focusin", focused);
  document.addEventListener("podium:shown", show);
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      // The board sends a "change" of its own in the middle of a drag.
      if (form?.contains(event.target) && !board.contains(event.target)) showValues();
      if (event.target.matches("[data-keys]")) keepKeys(event.target.checked);
    });
  }
  show();
})();
