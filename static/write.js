// A few-shot prompt takes as many pairs as its author wants.
(function () {
  "use strict";
  const button = document.querySelector("[data-add-pair]");
  if (!button) return;
  const form = button.closest("form");
  const pairs = () => [...form.querySelectorAll(".pair")];

  function add() {
    const pair = pairs().at(-1).cloneNode(true);
    for (const field of pair.querySelectorAll("textarea")) field.value = "";
    pair.querySelector("[data-number]").textContent = pairs().length + 1;
    pairs().at(-1).after(pair);
    return pair;
  }

  button.hidden = false;
  button.addEventListener("click", () => add().querySelector("textarea").focus());
  // A restored draft may have more pairs than the page came with.
  form.addEventListener("podium:pairs", (event) => {
    while (pairs().length < event.detail) add();
  });
})();
