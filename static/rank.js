// The ranking: a board to drag outputs on, radio buttons that say the same, and the order in words.
(function () {
  "use strict";
  const form = document.querySelector("form[data-answer]");
  const board = form.querySelector(".board");
  const order = form.querySelector("[data-order]");
  const words = order.dataset;
  const outputs = [...form.querySelectorAll("[data-output]")].map((group) => group.dataset.output);
  const radios = (letter) => [...form.querySelectorAll(`input[name="rank-${letter}"]`)];
  const chip = (letter) => board.querySelector(`[data-letter="${letter}"]`);
  const rankOf = (letter) => (radios(letter).find((radio) => radio.checked) || { value: "" }).value;

  function joined(letters) {
    if (letters.length < 2) return letters.join("");
    return letters.slice(0, -1).join(words.comma) + words.and + letters.at(-1);
  }

  function filled(pattern, letters, place) {
    return pattern.replace("{outputs}", joined(letters)).replace("{place}", place);
  }

  function sayOrder() {
    const groups = new Map();
    for (const letter of outputs) {
      const rank = rankOf(letter);
      groups.set(rank, [...(groups.get(rank) || []), letter]);
    }
    const unranked = groups.get("") || [];
    groups.delete("");
    const ordinals = words.ordinals.split("|");
    let better = 0;
    const parts = [...groups.keys()].sort((a, b) => a - b).map((rank) => {
      const letters = groups.get(rank);
      const place = ordinals[better];
      better += letters.length;
      return filled(letters.length > 1 ? words.tied : words.alone, letters, place);
    });
    const rest = unranked.length ? [filled(words.unranked, unranked, "")] : [];
    order.textContent = parts.length ? [parts.join(words.then), ...rest].join(words.stop) : "";
  }

  function showRanks() {
    for (const letter of outputs) {
      const list = board.querySelector(`[data-rank="${rankOf(letter)}"]`);
      if (chip(letter).parentElement !== list) list.append(chip(letter));
    }
    sayOrder();
  }

  function countFlags() {
    for (const flags of form.querySelectorAll(".flags")) {
      const count = flags.querySelectorAll("input:checked").length;
      const badge = flags.querySelector("[data-flag-count]");
      badge.textContent = count ? `${count} ${badge.dataset.some}` : badge.dataset.none;
    }
  }

  function dropped(event) {
    for (const radio of radios(event.item.dataset.letter)) radio.checked = radio.value === event.to.dataset.rank;
    sayOrder();
    form.dispatchEvent(new CustomEvent("podium:changed"));
  }

  for (const list of board.querySelectorAll("[data-rank]")) {
    // Its own dragging instead of the browser's, so that a finger and a mouse do the same.
    new Sortable(list, { group: "ranks", animation: 120, forceFallback: true, onEnd: dropped });
  }
  form.addEventListener("change", (event) => {
    // The board sends a "change" of its own in the middle of a drag.
    if (board.contains(event.target)) return;
    showRanks();
    countFlags();
  });
  board.hidden = false;
  showRanks();
  countFlags();
})();
