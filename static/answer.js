// Answering: Ctrl+Enter submits, and the time that the person works is counted.
(function () {
  "use strict";
  const IDLE = 60000;
  const form = document.querySelector("form[data-answer]");
  const seconds = form.elements.seconds;
  let lastSign = Date.now();

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  for (const sign of ["keydown", "pointermove", "pointerdown", "scroll"]) {
    document.addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true });
  }
  setInterval(() => {
    const isWorking = !document.hidden && Date.now() - lastSign < IDLE;
    if (isWorking) seconds.value = String(Number(seconds.value) + 1);
  }, 1000);
})();
