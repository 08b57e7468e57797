// Plots of a run or a campaign: reads its metrics as JSON, from the page or again and again from the server, and
// draws one plot for each family of them.
"use strict";

(() => {
  const place = document.querySelector("[data-metrics], [data-told]");
  if (!place) return;
  const seconds = 2;
  const rows = new Map(); // step -> {name: number}
  const plots = new Map(); // title -> {names, plot}
  const across = new Map(); // title -> what stands on its horizontal axis in place of the step

  // A CSS variable can hold light-dark(); only a resolved property gives the colour of now.
  function resolved(variable) {
    const probe = document.createElement("i");
    probe.style.color = `var(${variable})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  function data(title, names) {
    const axis = across.get(title);
    const where = (step) => (axis ? (rows.get(step)[axis] ?? null) : step);
    const steps = [...rows.keys()].filter((step) => where(step) !== null).sort((a, b) => where(a) - where(b));
    const column = (name) => steps.map((step) => rows.get(step)[name] ?? null);
    return [steps.map(where), ...names.map(column)];
  }

  // The plotting library writes months and hours in English only.
  const written = (style) => new Intl.DateTimeFormat(document.documentElement.lang, style);
  const day = written({ year: "2-digit", month: "numeric", day: "numeric" });
  const minute = written({ month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  const times = (_plot, splits, _axis, _space, apart) =>
    splits.map((time) => (apart < 86400 ? minute : day).format(time * 1000));
  const moment = (_plot, time) => (time === null ? "--" : minute.format(time * 1000));

  function options(title, names) {
    const inks = ["--accent", "--warn", "--good", "--bad"].map(resolved);
    const axis = { stroke: resolved("--muted"), grid: { stroke: resolved("--line"), width: 1 }, ticks: { show: false } };
    const line = (name, index) => ({
      label: name,
      stroke: inks[index % inks.length],
      width: 2,
      dash: index >= inks.length ? [6, 4] : undefined,
      spanGaps: true,
      points: { show: rows.size < 30 },
    });
    const isTime = "time" in place.dataset && !across.has(title);
    const below = isTime ? { ...axis, space: 100, values: times } : axis;
    return {
      title,
      width: width(),
      height: 220,
      scales: { x: { time: isTime } },
      axes: [below, { ...axis, size: 64, values: (_plot, splits) => splits.map(tick) }],
      series: [{ label: across.get(title) ?? place.dataset.step, ...(isTime && { value: moment }) }, ...names.map(line)],
    };
  }

  // As many plots side by side as fit, each of a width that fills the row.
  function width() {
    const gap = 18;
    const columns = Math.max(1, Math.floor((place.clientWidth + gap) / 380));
    return Math.floor((place.clientWidth + gap) / columns) - gap - 2;
  }

  const tick = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : +value.toPrecision(4));

  function draw(title, names) {
    const old = plots.get(title);
    if (old && old.names.join() === names.join()) {
      old.plot.setData(data(title, names));
      return;
    }
    old?.plot.destroy();
    plots.set(title, { names, plot: new uPlot(options(title, names), data(title, names), place) });
  }

  function redraw() {
    const known = [...plots].map(([title, { names }]) => [title, names]);
    plots.forEach(({ plot }) => plot.destroy());
    plots.clear();
    known.forEach(([title, names]) => draw(title, names));
  }

  function merge(families) {
    for (const [title, names] of Object.entries(families)) {
      const before = plots.get(title)?.names ?? [];
      draw(title, [...new Set([...before, ...names])].sort());
    }
  }

  function take(said) {
    said.steps.forEach(([step, values]) => rows.set(step, values));
    for (const [title, name] of Object.entries(said.across ?? {})) across.set(title, name);
    if (said.steps.length) merge(said.families);
    place.dataset.steps = rows.size;
  }

  async function poll() {
    let alive = true;
    try {
      const after = Math.max(0, ...rows.keys());
      const answer = await fetch(`${place.dataset.metrics}?after=${after}`);
      if (answer.ok) {
        const said = await answer.json();
        take(said);
        alive = said.is_more;
      }
    } catch {
      // The server is away for a moment; the next look finds it again.
    }
    if (alive) setTimeout(poll, seconds * 1000);
  }

  addEventListener("resize", () => plots.forEach(({ plot }) => plot.setSize({ width: width(), height: 220 })));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  if (place.dataset.told) take(JSON.parse(document.getElementById(place.dataset.told).textContent));
  else poll();
})();
