// Lines over training, and the bars of the path depths.
const markers = []; // functions that put a mark at a step

/** Round numbers from low to high, about `n` of them; powers of ten where the axis is logarithmic. */
function ticks(low, high, n, log) {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9), every = Math.ceil((last - first + 1) / n);
    const powers = [];
    for (let k = first; k <= last; k += every) powers.push(10 ** k);
    return powers.length > 1 ? powers : [low, high];
  }
  const rough = (high - low) / n || 1, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step + 0);
  return found;
}

/** Texts of ticks, with as many digits as tell them apart. */
function tickTexts(values) {
  for (let digits = 3; ; digits++) {
    const texts = values.map((value) => number(value, digits));
    if (digits === 8 || new Set(texts).size === values.length) return texts;
  }
}

/** A small chart of `series` [{name, values, hue}] over the steps of the history. */
function lineChart(title, series, { log: decades = false, small = false } = {}) {
  const steps = data.history.step, W = 320, H = small ? 48 : 170, left = 46, right = 6, top = 8, bottom = small ? 8 : 20;
  const finite = series.flatMap((line) => line.values).filter(Number.isFinite);
  const positive = finite.filter((y) => y > 0);
  const log = decades && Math.max(...positive) > 5 * Math.min(...positive); // logarithmic where it spans something
  let low = Math.min(...(log ? positive : finite)), high = Math.max(...finite);
  if (!log && low > 0 && low < 0.6 * high) low = 0;
  if (!(low < high)) [low, high] = finite.length ? [Math.min(low, 0), Math.max(high, 0) || 1] : [0, 1];
  const f = log ? Math.log10 : (y) => y;
  const x = (step) => left + ((W - left - right) * (step - steps[0])) / (steps.at(-1) - steps[0] || 1);
  const y = (value) => top + (H - top - bottom) * (1 - (f(value) - f(low)) / (f(high) - f(low)));
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title });
  const marks = ticks(low, high, small ? 2 : 4, log), texts = tickTexts(marks);
  marks.forEach((value, k) => {
    picture.append(svg("line", { x1: left, x2: W - right, y1: y(value), y2: y(value), stroke: "var(--line)" }));
    const label = svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" });
    label.textContent = texts[k];
    picture.append(label);
  });
  if (!small) {
    for (const value of ticks(steps[0], steps.at(-1), 4, false)) {
      const label = svg("text", { x: x(value), y: H - 3, "text-anchor": "middle" });
      label.textContent = count(value);
      picture.append(label);
    }
  }
  const mark = svg("line", { y1: top, y2: H - bottom, stroke: "var(--accent)", "stroke-dasharray": "3 3" });
  picture.append(mark);
  markers.push((step) => {
    const at = x(Math.min(Math.max(step, steps[0]), steps.at(-1)));
    mark.setAttribute("x1", at);
    mark.setAttribute("x2", at);
  });
  for (const { values, hue } of series) {
    const points = values.flatMap((value, k) => (Number.isFinite(value) && (!log || value > 0) ? [`${x(steps[k]).toFixed(1)},${y(value).toFixed(1)}`] : []));
    picture.append(svg("polyline", { points: points.join(" "), fill: "none", stroke: hue, "stroke-width": 1.7, "stroke-linejoin": "round" }));
    if (points.length === 1) picture.append(svg("circle", { cx: points[0].split(",")[0], cy: points[0].split(",")[1], r: 3, fill: hue }));
  }
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * W;
    const k = steps.reduce((best, step, i) => (Math.abs(x(step) - at) < Math.abs(x(steps[best]) - at) ? i : best), 0);
    const lines = series.map((line) => `${series.length > 1 ? `${line.name} ` : ""}${number(line.values[k], 4)}`);
    showTip(`step ${count(steps[k])}\n${lines.join("\n")}`, event.clientX, event.clientY);
  });
  picture.addEventListener("pointerleave", hideTip);
  const keys = series.length > 1 ? series.map((line) => el("span", { style: { color: line.hue } }, line.name)) : [];
  const caption = small ? [] : [el("figcaption", {}, el("span", {}, title), ...keys)];
  return el("figure", {}, ...caption, picture);
}

function drawHistory() {
  const h = data.history, host = $("history");
  if (!h.step || !h.step.length) return host.append(el("p", { class: "note" }, "No history was kept: training ended before its first row."));
  const one = (values, hue = "var(--positive)") => [{ name: "", values, hue }];
  host.append(lineChart("task loss", one(h.loss), { log: true }));
  host.append(lineChart(data.score_name, one(h.validation_accuracy)));
  host.append(lineChart("connections", one(h.connections), { log: true }));
  const hues = ["--positive", "--negative", "--yes", "--again", "--muted"];
  const speaking = Object.keys(h).filter((key) => /^living_\d+$/.test(key));
  const lines = [{ name: "not removed", values: h.living_neurons, hue: "var(--ink)" }];
  if (speaking.length <= hues.length) {
    speaking.forEach((key, k) => lines.push({ name: `firing at ${key.slice(7)}`, values: h[key], hue: `var(${hues[k]})` }));
  }
  host.append(lineChart("hidden neurons", lines));
}

function drawStrengths() {
  const host = $("strengths"), h = data.history;
  if (!data.strengths.length) return host.append(el("p", { class: "note" }, "The task alone: no regulariser was on."));
  const heads = ["regulariser", "strength c", "c over training", "term R over training", "c × R at the end"];
  const body = el("tbody");
  for (const { name, text, values } of data.strengths) {
    const R = h[`R_${name}`], hue = "var(--positive)", some = values.length > 0;
    const chart = (title, series, log) => lineChart(`${name}, ${title} over training`, [{ name, values: series, hue }], { small: true, log });
    const cost = some && R ? values.at(-1) * R.at(-1) : null;
    const strength = values.some((value) => value !== values[0]) ? chart("strength", values, false) : "constant";
    const cells = [el("td", {}, name), el("td", {}, text), el("td", {}, strength), el("td", {}, some && R ? chart("term", R, true) : ""), el("td", { class: "n" }, number(cost))];
    body.append(el("tr", {}, ...cells));
  }
  const head = el("tr", {}, ...heads.map((text, k) => el("th", k === 4 ? { scope: "col", class: "n" } : { scope: "col" }, text)));
  host.append(el("table", { class: "strengths" }, el("thead", {}, head), body));
}

function drawDepths() {
  const host = $("depths"), now = level();
  host.replaceChildren();
  if (!now.path_depths || now.status !== "ok") return host.append(el("p", { class: "note" }, "No paths."));
  const top = Math.max(...now.path_depths);
  now.path_depths.forEach((share, k) => {
    const fill = el("span", { class: "fill", style: { width: `${(100 * share) / top}%` } });
    host.append(el("div", { class: "depth" }, el("span", {}, `${k}`), el("span", { class: "track" }, fill), el("span", { class: "n" }, percent(share))));
  });
  host.append(el("p", { class: "note" }, `Share of the flow; ${number(now.effective_depth)} nonlinear neurons on a path on average.`));
}
