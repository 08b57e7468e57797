// A suggestion's text goes into the form when asked for; what stood there before is a click away.
(function () {
  "use strict";
  const theForm = () => document.querySelector("form[data-suggested]");
  const keyOf = (form) => `podium-earlier:${document.body.dataset.person}:${form.dataset.draft}`;

  function show() {
    const form = theForm();
    if (!form) return;
    const button = form.querySelector("[data-earlier]");
    button.hidden = !sessionStorage.getItem(keyOf(form));
  }

  function replace(form, text, suggestion) {
    const { text: area, suggestion: from } = form.elements;
    if (area.value.trim()) sessionStorage.setItem(keyOf(form), JSON.stringify([area.value, from.value]));
    area.value = text;
    from.value = suggestion;
    form.dispatchEvent(new CustomEvent("podium:changed"));
    area.focus();
    show();
  }

  document.addEventListener("click", (event) => {
    const form = theForm();
    const use = event.target.closest("[data-use]");
    if (use) {
      const { content } = use.closest(".suggestion").querySelector("template[data-text]");
      replace(form, content.textContent, use.dataset.use);
    }
    if (event.target.closest("[data-earlier]")) replace(form, ...JSON.parse(sessionStorage.getItem(keyOf(form))));
  });
  document.addEventListener("podium:shown", show);
  show();
})();
