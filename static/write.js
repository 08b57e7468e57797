// Writing a prompt: as many pairs as its author wants, and the characters counted against the limit.
(function () {
  "use strict";
  const form = document.querySelector("form[data-draft]");
  const button = form.querySelector("[data-add-pair]");
  const count = form.querySelector("[data-count]");
  const pairs = () => [...form.querySelectorAll(".pair")];

  function add() {
    const pair = pairs().at(-1).cloneNode(true);
    for (const field of pair.querySelectorAll("textarea")) field.value = "";
    pair.querySelector("[data-number]").textContent = pairs().length + 1;
    pairs().at(-1).after(pair);
    return pair;
  }

  function show() {
    const text = document.getElementById(count.dataset.count).value;
    count.textContent = count.dataset.words.replace("{count}", [...text].length);
  }

  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => add().querySelector("textarea").focus());
    // A restored draft may have more pairs than the page came with.
    form.addEventListener("podium:pairs", (event) => {
      while (pairs().length < event.detail) add();
    });
  }
  if (count) {
    count.hidden = false;
    form.addEventListener("input", show);
    form.addEventListener("change", show);
    show();
  }
})();
