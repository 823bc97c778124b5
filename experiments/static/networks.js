// The networks of the sweep: where their values lie along axes, their colours, which of them is
// shown in the panel. Draws the panel.
for (const part of document.querySelectorAll(".scripted")) part.hidden = false;

const data = JSON.parse($("data").textContent);
const { columns } = data;

// Whether a network has a verdict, as embedded.py writes it.
const NOT_JUDGED = 0;
const ABSENT = 1;
const SURVIVES = 2;
const FALLEN = 3;
const UNTESTED = 4;
const STATES = [
  [SURVIVES, "yes", "positive"],
  [FALLEN, `yes, but q > ${data.level}`, "negative"],
  [UNTESTED, "yes, no p asked", "again"],
  [ABSENT, "no", "absent"],
  [NOT_JUDGED, "not judged", "unknown"],
];

const everyNetwork = Array.from({ length: data.n }, (_, k) => k);
const kindOf = (k) => data.kinds[data.kind[k]][0];

function valueText(name, k) {
  const value = columns[name].values[k];
  return typeof value === "string" ? value : number(value, 4);
}

// ---- axes

/** Whether a value has no place along an axis: it is none, or the network is at chance and the
 *  column says how networks answer. The axis begins where the others are. */
const isOff = (column, k) =>
  column.values[k] === null || (column.answers && data.at_chance[k] === 1 && anyLearned);
const anyLearned = data.at_chance.includes(0);

/** How the values of a column lie along an axis: `at`, from 0 to 1 for every network and NaN where
 *  it is off the axis; `off`, what it is then; `marks`, {at, text} of values to name; `stops`,
 *  where a brush may end, in order. */
function axisOf(column) {
  const off = column.answers && !column.values.includes(null) ? "chance" : "none";
  return { off, ...placesOf(column) };
}

function placesOf(column) {
  const known = column.values.filter((_, k) => !isOff(column, k));
  const isNumber = column.spacing === "linear" || column.spacing === "log";
  const distinct = [...new Set(known)].sort((a, b) => (a < b ? -1 : 1));
  const textOf = (value) => (typeof value === "string" ? value : number(value));

  if (!isNumber) {
    const last = Math.max(1, distinct.length - 1);
    const rank = new Map(distinct.map((value, k) => [value, distinct.length > 1 ? k / last : 0.5]));
    const stops = distinct.map((value) => rank.get(value));
    const every = Math.ceil(distinct.length / 12);
    const named = distinct.filter((_, k) => k % every === 0);
    const marks = named.map((value) => ({ at: rank.get(value), text: textOf(value) }));
    return { at: positionsOf(column, (value) => rank.get(value)), marks, stops };
  }

  const bend = column.spacing === "log" ? Math.log10 : (value) => value;
  const low = distinct[0];
  const high = distinct.at(-1);
  const place = (value) =>
    high > low ? (bend(value) - bend(low)) / (bend(high) - bend(low)) : 0.5;
  const few = distinct.length <= 6;
  const round = ticks(low, high, 5, column.spacing === "log");
  const whole = column.whole ? round.filter(Number.isInteger) : round;
  const named = few ? distinct : whole;
  const marks = named.map((value) => ({ at: place(value), text: textOf(value) }));
  const even = Array.from({ length: 41 }, (_, k) => k / 40);
  const stops = distinct.length <= 40 ? distinct.map(place) : even;
  return { at: positionsOf(column, place), marks, stops, value: inverse(low, high, column) };
}

const positionsOf = (column, place) =>
  Float64Array.from(column.values, (value, k) => (isOff(column, k) ? NaN : place(value)));

/** The value at a place from 0 to 1. */
function inverse(low, high, column) {
  if (column.spacing === "log") return (t) => low * (high / low) ** t;
  return (t) => low + t * (high - low);
}

const axes = Object.fromEntries(
  Object.entries(columns).map(([name, column]) => [name, axisOf(column)]),
);

// ---- colours

let colouring = "architecture";
let inks = []; // of each network

/** A colour as it shows on a card: lighter where that is dark. */
function onGround(hex) {
  const share = isDark() ? 0.3 : 0;
  const parts = rgb(hex).map((x) => Math.round(x + share * (255 - x)));
  return `#${parts.map((x) => x.toString(16).padStart(2, "0")).join("")}`;
}

const onColour = []; // functions that draw anew when networks change their colours

/** The colour of every network, and what the colours mean: [name, colour, how many]. */
function takeColours() {
  const verdict = data.verdicts.find(({ name }) => name === colouring);
  const groups = verdict
    ? STATES.map(([, text, hue]) => [text, colour(hue)])
    : data.kinds.map(([name, ink]) => [name, onGround(ink)]);
  const order = STATES.map(([state]) => state);
  const groupOf = (k) => (verdict ? order.indexOf(verdict.state[k]) : data.kind[k]);
  inks = everyNetwork.map((k) => groups[groupOf(k)][1]);

  const members = groups.map(() => 0);
  for (const k of everyNetwork) members[groupOf(k)]++;
  const legend = groups.map(([name, ink], g) => [name, ink, members[g]]).filter((g) => g[2]);
  for (const host of document.querySelectorAll(".kinds")) {
    host.replaceChildren(
      ...legend.map(([name, ink, m]) =>
        el("li", {}, el("span", { style: { background: ink } }), `${name} (${count(m)})`),
      ),
    );
  }
  for (const redraw of onColour) redraw();
}

// ---- the network that is shown

let shown = -1; // its index, or -1
let pinned = false; // whether it stays until it is let go
const onShow = []; // functions that mark it in a picture

/** Show a network in the panel; where one is pinned, only another that is pinned takes its
 *  place. */
function show(k, pin = false) {
  if (pinned && !pin) return;
  if (k === shown && pin === pinned) return;
  shown = k;
  pinned = pin && k >= 0;
  fillPanel();
  for (const mark of onShow) mark();
}

function letGo() {
  pinned = false;
  show(-1);
}

/** Pin it; the one that is pinned is let go. */
const pin = (k) => (pinned && shown === k ? letGo() : show(k, true));

const sentence = (k) =>
  [
    `network ${data.number[k]}`,
    kindOf(k),
    ...data.fields.map((name) => `${name} = ${valueText(name, k)}`),
    `seed ${data.seed[k]}`,
  ].join(", ");

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && shown >= 0) letGo();
});

function fillPanel() {
  const host = $("panel");
  const k = shown;
  $("let-go").hidden = k < 0;
  $("network").classList.toggle("empty", k < 0);
  if (k < 0) return host.replaceChildren(el("p", { class: "note" }, $("panel").dataset.empty));

  const settings = data.fields.map((name) => [columns[name].title, valueText(name, k)]);
  const measured = data.measures.map((name) => [columns[name].title, valueText(name, k)]);
  host.replaceChildren(
    el("h3", {}, `network ${data.number[k]}: ${kindOf(k)}`),
    el("p", { class: "note" }, pinned ? "Pinned: Escape lets go." : "Click or press Enter to pin."),
    pictureOf(k),
    list([...settings, ["seed", String(data.seed[k])]]),
    seedsOf(k),
    el("h4", {}, data.has_report[k] ? "Report" : "Inspect it"),
    ...wayTo(k),
    el("h4", {}, "Measures"),
    list(measured),
    el("h4", {}, "Verdicts"),
    verdictsOf(k),
    ...(data.summary[k] ? [el("p", { class: "note" }, `In words: ${data.summary[k]}`)] : []),
  );
}

const list = (pairs) =>
  el("dl", {}, ...pairs.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));

/** Its report, where there is one, and the command that writes it. */
function wayTo(k) {
  const number = String(data.number[k]).padStart(6, "0");
  const command = el("code", { class: "command" }, data.command.join(number));
  if (!data.has_report[k]) return [command];
  return [el("p", {}, el("a", { href: data.link.join(number) }, "open its report")), command];
}

/** The networks of the same point, to go to. */
function seedsOf(k) {
  const same = everyNetwork.filter((other) => data.point[other] === data.point[k]);
  if (same.length < 2 || !data.fields.length) return "";
  const buttons = same.slice(0, 12).map((other) => {
    const to = () => {
      show(other, true);
      $("panel").querySelector(`[data-seed="${other}"]`)?.focus();
    };
    const attributes = { type: "button", class: "quiet", "data-seed": other, onclick: to };
    return el("button", { ...attributes, "aria-pressed": other === k }, data.seed[other]);
  });
  return el("p", { class: "seeds" }, "same point: ", ...buttons);
}

function verdictsOf(k) {
  const items = data.verdicts
    .filter(({ state }) => state[k] !== NOT_JUDGED)
    .map(({ title, effect, state, q }) => {
      const present = state[k] !== ABSENT;
      const parts = [];
      if (columns[effect]) parts.push(`${columns[effect].title} ${valueText(effect, k)}`);
      if (q[k] !== null) parts.push(`q = ${number(q[k], 2)}`);
      if (state[k] === FALLEN) parts.push("falls to the correction");
      if (state[k] === UNTESTED) parts.push("no p asked");
      const why = parts.length ? el("span", { class: "note" }, ` ${parts.join(", ")}`) : "";
      return el("li", { class: present ? "yes" : "" }, `${present ? "✓" : "–"} ${title}`, why);
    });
  if (!items.length) return el("p", { class: "note" }, "Not judged.");
  return el("ul", { class: "verdicts" }, ...items);
}

// ---- thumbnails

/** A picture of W with the borders of its layers, or words where there is none. */
function pictureOf(k) {
  const picture = data.thumbnails[k];
  if (!picture) return el("p", { class: "note" }, noPicture(k));

  const sizes = picture.groups.map(([name, size]) => `${name} ${count(size)}`).join(", ");
  const words = `|W| sorted by layer: ${sizes}`;
  const canvas = el("canvas", { width: data.side, height: data.side });
  paint(canvas, picture);
  const lines = picture.groups.slice(0, -1).flatMap(([, , end]) => [
    svg("line", { x1: end, x2: end, y1: 0, y2: 1 }),
    svg("line", { x1: 0, x2: 1, y1: end, y2: end }),
  ]);
  const borders = svg("svg", { viewBox: "0 0 1 1", "aria-hidden": "true" }, ...lines);
  const frame = el("div", { class: "frame", role: "img", "aria-label": words }, canvas, borders);
  return el("figure", { class: "thumbnail" }, frame, el("figcaption", {}, words));
}

function noPicture(k) {
  const hasPath = columns.used_connections?.values[k] ?? null;
  return hasPath === null && kindOf(k) !== "nothing learned"
    ? "No picture: no path from inputs to outputs."
    : "No picture on this page.";
}

function paint(canvas, picture) {
  const bytes = atob(picture.pixels);
  const ramp = rampOf(data.shades);
  const image = new ImageData(data.side, data.side);
  for (let p = 0; p < data.side ** 2; p++) {
    const both = bytes.charCodeAt(p >> 1);
    const shade = p & 1 ? both & 15 : both >> 4;
    if (shade) image.data.set([...ramp[shade - 1], 255], 4 * p);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

takeColours();
fillPanel();
redraws.push(takeColours, fillPanel);
