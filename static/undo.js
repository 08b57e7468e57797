// Undo counts down while a submission can be taken back; then its button goes away.
(function () {
  "use strict";

  function countDown(form) {
    const shown = form.querySelector("[data-seconds]");
    let left = Number(form.dataset.undo);
    const clock = setInterval(() => {
      left -= 1;
      shown.textContent = left;
      if (left > 0) return;
      clearInterval(clock);
      form.remove();
    }, 1000);
  }

  const start = () => document.querySelectorAll("[data-undo]").forEach(countDown);
  document.addEventListener("podium:shown", start);
  start();
})();
