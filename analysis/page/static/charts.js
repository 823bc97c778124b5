// Lines over training, and the bars of the path depths.
const markers = []; // functions that put a mark at a step
const WIDTH = 320; // of a chart, in its own units
const EDGE = { left: 46, right: 6, top: 8 }; // room around the lines, for the numbers of the axes

/** Round numbers from low to high, about `n` of them; powers of ten on a logarithmic axis. */
function ticks(low, high, n, log) {
  const marks = [];
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    const every = Math.ceil((last - first + 1) / n);
    for (let k = first; k <= last; k += every) marks.push(10 ** k);
    return marks.length > 1 ? marks : [low, high];
  }

  const rough = (high - low) / n || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= rough);
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    marks.push(k * step + 0); // + 0: no minus zero
  }
  return marks;
}

/** Texts of ticks, with as many digits as tell them apart. */
function tickTexts(values) {
  for (let digits = 3; ; digits++) {
    const texts = values.map((value) => number(value, digits));
    if (digits === 8 || new Set(texts).size === values.length) return texts;
  }
}

/** The range of an axis for some values; logarithmic, if it may be, where it spans something. */
function range(values, mayBeLog) {
  const finite = values.filter(Number.isFinite);
  const positive = finite.filter((y) => y > 0);
  const log = mayBeLog && Math.max(...positive) > 5 * Math.min(...positive);
  const low = Math.min(...(log ? positive : finite));
  const high = Math.max(...finite);

  const fromZero = !log && low > 0 && low < 0.6 * high;
  const start = fromZero ? 0 : low;
  if (start < high) return { low: start, high, log };
  // A level line, or none.
  const [bottom, top] = finite.length ? [Math.min(start, 0), Math.max(high, 0) || 1] : [0, 1];
  return { low: bottom, high: top, log };
}

/** A small chart of `series` [{name, values, hue}] over the steps of the history. */
function lineChart(title, series, { log = false, small = false } = {}) {
  const steps = data.history.step;
  const height = small ? 48 : 170;
  const bottom = height - (small ? 8 : 20);
  const axis = range(
    series.flatMap((line) => line.values),
    log,
  );

  const scale = axis.log ? Math.log10 : (value) => value;
  const room = WIDTH - EDGE.left - EDGE.right;
  const x = (step) => EDGE.left + (room * (step - steps[0])) / (steps.at(-1) - steps[0] || 1);
  const share = (value) => (scale(value) - scale(axis.low)) / (scale(axis.high) - scale(axis.low));
  const y = (value) => EDGE.top + (bottom - EDGE.top) * (1 - share(value));

  const box = { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title };
  const picture = svg("svg", box);
  drawAxis(picture, y, ticks(axis.low, axis.high, small ? 2 : 4, axis.log));
  if (!small) drawSteps(picture, x, height - 3);
  addMark(picture, x, bottom);
  for (const line of series) drawLine(picture, line, x, y, axis.log);
  followMouse(picture, x, series);

  const names = series.length > 1 ? series : [];
  // Words in the colour of a thin line would be hard to read.
  const keys = names.map(({ name, hue }) => {
    return el("span", {}, el("span", { class: "swatch", style: { background: hue } }), name);
  });
  const caption = small ? [] : [el("figcaption", {}, el("span", {}, title), ...keys)];
  return el("figure", {}, ...caption, picture);
}

/** Level lines with their values on the left. */
function drawAxis(picture, y, values) {
  const texts = tickTexts(values);
  values.forEach((value, k) => {
    const ends = { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) };
    const label = svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" });
    label.textContent = texts[k];
    picture.append(svg("line", { ...ends, stroke: "var(--line)" }), label);
  });
}

/** Steps below the lines. */
function drawSteps(picture, x, y) {
  const steps = data.history.step;
  for (const value of ticks(steps[0], steps.at(-1), 4, false)) {
    const label = svg("text", { x: x(value), y, "text-anchor": "middle" });
    label.textContent = count(value);
    picture.append(label);
  }
}

/** An upright line that `markers` moves to the step of the snapshot that is shown. */
function addMark(picture, x, bottom) {
  const steps = data.history.step;
  const ends = { y1: EDGE.top, y2: bottom };
  const mark = svg("line", { ...ends, stroke: "var(--accent)", "stroke-dasharray": "3 3" });
  picture.append(mark);
  markers.push((step) => {
    const at = x(Math.min(Math.max(step, steps[0]), steps.at(-1)));
    mark.setAttribute("x1", at);
    mark.setAttribute("x2", at);
  });
}

/** A line over the steps; a dot where there is a single value. */
function drawLine(picture, { values, hue }, x, y, log) {
  const steps = data.history.step;
  const points = values.flatMap((value, k) => {
    const drawable = Number.isFinite(value) && (!log || value > 0);
    return drawable ? [[x(steps[k]).toFixed(1), y(value).toFixed(1)]] : [];
  });
  const pen = { fill: "none", stroke: hue, "stroke-width": 1.7, "stroke-linejoin": "round" };
  picture.append(svg("polyline", { points: points.join(" "), ...pen }));
  if (points.length === 1) {
    const [[cx, cy]] = points;
    picture.append(svg("circle", { cx, cy, r: 3, fill: hue }));
  }
}

/** Show the values at the step that is nearest to the mouse. */
function followMouse(picture, x, series) {
  const steps = data.history.step;
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const apart = (k) => Math.abs(x(steps[k]) - at);
    const k = steps.reduce((best, _, i) => (apart(i) < apart(best) ? i : best), 0);
    const nameOf = (line) => (series.length > 1 ? `${line.name} ` : "");
    const lines = series.map((line) => `${nameOf(line)}${number(line.values[k], 4)}`);
    showTip(`step ${count(steps[k])}\n${lines.join("\n")}`, event.clientX, event.clientY);
  });
  picture.addEventListener("pointerleave", hideTip);
}

function drawHistory() {
  const history = data.history;
  const host = $("history");
  if (!history.step || !history.step.length) {
    const words = "No history was kept: training ended before its first row.";
    return host.append(el("p", { class: "note" }, words));
  }

  const single = (values) => [{ name: "", values, hue: "var(--positive)" }];
  host.append(lineChart("task loss", single(history.loss), { log: true }));
  host.append(lineChart(data.score_name, single(history.validation_accuracy)));
  host.append(lineChart("connections", single(history.connections), { log: true }));

  const hues = ["--positive", "--negative", "--yes", "--again", "--muted"];
  const firing = Object.keys(history).filter((key) => /^living_\d+$/.test(key));
  const lines = [{ name: "held", values: history.living_neurons, hue: "var(--ink)" }];
  if (firing.length <= hues.length) {
    firing.forEach((key, k) => {
      const name = `firing at ${key.slice("living_".length)}`;
      lines.push({ name, values: history[key], hue: `var(${hues[k]})` });
    });
  }
  host.append(lineChart("hidden neurons", lines));
}

function drawStrengths() {
  const host = $("strengths");
  if (!data.strengths.length) {
    return host.append(el("p", { class: "note" }, "The task alone: no other term was on."));
  }

  const heads = ["term", "strength", "strength over training", "value over training"];
  const cells = heads.map((text) => el("th", { scope: "col" }, text));
  cells.push(el("th", { scope: "col", class: "n" }, "strength × value at the end"));
  const head = el("thead", {}, el("tr", {}, ...cells));
  const body = el("tbody", {}, ...data.strengths.map(strengthRow));
  host.append(el("table", { class: "strengths" }, head, body));
}

/** A term of the loss: its strength, its value, and what it adds to the loss at the end. */
function strengthRow({ name, text, values }) {
  const history = data.history[`R_${name}`];
  const known = values.length > 0 && history;
  const chart = (title, numbers, log) => {
    const line = { name, values: numbers, hue: "var(--positive)" };
    return lineChart(`${name}, ${title} over training`, [line], { small: true, log });
  };

  const varies = values.some((value) => value !== values[0]);
  const added = known ? values.at(-1) * history.at(-1) : null;
  return el(
    "tr",
    {},
    el("td", {}, name),
    el("td", {}, text),
    el("td", {}, varies ? chart("strength", values, false) : "constant"),
    el("td", {}, known ? chart("value", history, true) : ""),
    el("td", { class: "n" }, number(added)),
  );
}

function drawDepths() {
  const host = $("depths");
  const now = level();
  host.replaceChildren();
  if (!now.path_depths || now.status !== "ok") {
    const words = now.status === undefined ? whyNotJudged() : "No paths.";
    return host.append(el("p", { class: "note" }, words));
  }

  const top = Math.max(...now.path_depths);
  now.path_depths.forEach((share, k) => host.append(bar(`${k}`, share / top, percent(share))));
  const mean = number(now.effective_depth);
  const words = `Share of the flow; ${mean} nonlinear neurons on a path on average.`;
  host.append(el("p", { class: "note" }, words));
}

/** A bar of a share (0 to 1) of the full width, with a name before it and a number behind it. */
function bar(name, share, text) {
  const fill = el("span", { class: "fill", style: { width: `${100 * share}%` } });
  const track = el("span", { class: "track" }, fill);
  return el(
    "div",
    { class: "depth" },
    el("span", {}, name),
    track,
    el("span", { class: "n" }, text),
  );
}

observers.snapshot.push(() => {
  for (const mark of markers) mark(snapshot().step);
  drawDepths();
});
observers.level.push(drawDepths);

/** What does not follow the sliders. */
own.drawTraining = () => {
  drawHistory();
  drawStrengths();
};
