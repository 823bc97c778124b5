"use strict";
// The page of `urn play`. It draws what the socket brings, and sends what is asked for.

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const ZERO = 128; // the byte of no weight
const MILLISECONDS = 80; // between messages of a dial that is dragged

let socket = null;
let client = null; // the number of this page
let session = null; // what the server last said of the network
let frame = null; // the picture of now
let drawn = null; // the serial number of the network that it shows
let before = null; // that of the network before
let verdict = null;
let judgedAt = 0;
let shownHash = null;
let readHash = false; // whether the address was compared with the network

const send = (fields) => {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(fields));
};

// ---- small helpers

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
const groupColours = () => colour("groups").split(",").map((text) => text.trim());
const percent = (x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–");
const count = (x) => x.toLocaleString("en");

function number(x) {
  if (!Number.isFinite(x)) return "–";
  if (x === 0) return "0";
  return x < 1e-2 ? x.toExponential(1).replace("e-", "e−") : `${Number(x.toPrecision(3))}`;
}

/** A score as the task has it: a share of right answers, or R2. */
const score = (x) => (session && session.score === "R2" ? (x ?? NaN).toFixed(3) : percent(x ?? NaN));

function say(text) {
  $("status").textContent = text;
}

// ---- the socket

function connect() {
  const host = location.host;
  socket = new WebSocket(`ws://${host}/socket?token=${token}`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => say(""));
  socket.addEventListener("close", () => {
    say("The program has ended, or the connection was lost. Start urn play again.");
    setTimeout(connect, 3000);
  });
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") take(JSON.parse(event.data));
    else takePicture(event.data);
  });
}

function take(message) {
  if (message.kind === "you") client = message.client;
  if (message.kind === "session") takeSession(message);
  if (message.kind === "verdict") takeVerdict(message);
  if (message.kind === "before") takeBefore(message);
  if (message.kind === "saved") takeSaved(message);
  if (message.kind === "error" && (message.client === undefined || message.client === null || message.client === client)) say(message.text);
}

function takePicture(data) {
  const bytes = new Uint8Array(data);
  const view = new DataView(data);
  const length = view.getUint32(1, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(5, 5 + length)));
  let at = 5 + length;
  const size = head.size * head.size;
  const picture = { ...head, W: bytes.subarray(at, at + size) };
  at += size;
  // Numbers of two bytes need not begin at an even address.
  const part = (n) => data.slice(at, (at += n));
  picture.targets = new Uint16Array(part(2 * head.edges));
  picture.sources = new Uint16Array(part(2 * head.edges));
  picture.weights = new Int8Array(part(head.edges));

  if (String.fromCharCode(bytes[0]) === "B") {
    before = picture;
    drawBefore();
  } else {
    frame = picture;
    if (!session) return;
    drawn = session.serial;
    // Strengths that are warmed up move by themselves.
    for (const dial of session.dials) if (dial.name in frame.dials) dial.value = frame.dials[dial.name];
    showDials(false);
    drawFrame();
  }
}

// ---- W

/** A colour for each byte: none at no weight, then towards the colour of its sign. */
function palette() {
  const ground = rgb(colour("card"));
  const ends = [rgb(colour("negative")), rgb(colour("positive"))];
  const table = new Uint8ClampedArray(256 * 4);
  for (let byte = 0; byte < 256; byte++) {
    const x = Math.min(1, Math.abs(byte - ZERO) / 127);
    const share = byte === ZERO ? 0 : 0.16 + 0.84 * x;
    const end = ends[byte > ZERO ? 1 : 0];
    for (let k = 0; k < 3; k++) table[4 * byte + k] = ground[k] + share * (end[k] - ground[k]);
    table[4 * byte + 3] = 255;
  }
  return table;
}

/** A canvas sized for the screen: its context, and its size in CSS pixels. */
function ready(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return [context, width, height];
}

const EDGE = 16; // pixels of the bands that name the groups
const sheet = document.createElement("canvas");

function drawMatrix(canvas, picture, silenced) {
  const [context, width] = ready(canvas);
  const n = picture.size;
  const table = palette();
  sheet.width = sheet.height = n;
  const image = new ImageData(n, n);
  for (let k = 0; k < n * n; k++) {
    const byte = picture.W[k];
    for (let c = 0; c < 4; c++) image.data[4 * k + c] = table[4 * byte + c];
  }
  sheet.getContext("2d").putImageData(image, 0, 0);
  const side = width - EDGE;
  context.imageSmoothingEnabled = n > side;
  context.drawImage(sheet, EDGE, EDGE, side, side);

  // Bands of one colour a group above and beside W, and lines between the groups.
  const colours = groupColours();
  const total = picture.held;
  let start = 0;
  picture.groups.forEach(([, size], g) => {
    const from = EDGE + (side * start) / total;
    const long = (side * size) / total;
    context.fillStyle = colours[g % colours.length];
    context.fillRect(from + 0.5, 2, Math.max(1, long - 1), EDGE - 5);
    context.fillRect(2, from + 0.5, EDGE - 5, Math.max(1, long - 1));
    start += size;
    if (start < total) {
      const at = Math.round(EDGE + (side * start) / total) + 0.5;
      context.strokeStyle = colour("border");
      context.globalAlpha = 0.75;
      context.beginPath();
      context.moveTo(at, EDGE);
      context.lineTo(at, width);
      context.moveTo(EDGE, at);
      context.lineTo(width, at);
      context.stroke();
      context.globalAlpha = 1;
    }
  });
  context.strokeStyle = colour("border");
  context.strokeRect(EDGE + 0.5, EDGE + 0.5, side - 1, side - 1);

  // Silenced neurons: their rows and columns are struck out.
  context.fillStyle = colour("warn");
  context.globalAlpha = 0.45;
  picture.ids.forEach((id, k) => {
    if (!silenced.has(id)) return;
    const at = EDGE + (side * k) / total;
    const thick = Math.max(1, side / total);
    context.fillRect(at, EDGE, thick, side);
    context.fillRect(EDGE, at, side, thick);
  });
  context.globalAlpha = 1;
}

// ---- the graph

/** Where each neuron is drawn, `[x, y]`: a column for each group. */
function places(picture, width, height) {
  const points = [];
  const m = picture.groups.length;
  picture.groups.forEach(([, size], g) => {
    const x = m > 1 ? 22 + ((width - 44) * g) / (m - 1) : width / 2;
    for (let k = 0; k < size; k++) points.push([x, 26 + ((height - 34) * (k + 0.5)) / size]);
  });
  return points;
}

function drawGraph() {
  const [context, width, height] = ready($("graph"));
  const points = places(frame, width, height);
  const silenced = new Set(session.silenced);
  const signs = [colour("negative"), colour("positive")];

  // The weakest first, so that the strongest lie on top.
  for (let k = 0; k < frame.edges; k++) {
    const [x, y] = points[frame.sources[k]];
    const [u, v] = points[frame.targets[k]];
    const w = frame.weights[k] / 127;
    const lost = silenced.has(frame.ids[frame.sources[k]]) || silenced.has(frame.ids[frame.targets[k]]);
    context.strokeStyle = signs[w > 0 ? 1 : 0];
    context.globalAlpha = lost ? 0.04 : Math.min(0.9, 0.12 + Math.abs(w));
    context.lineWidth = 0.5 + 1.8 * Math.abs(w);
    context.beginPath();
    context.moveTo(x, y);
    // What runs back, or stays within a column, bends.
    if (u > x) context.lineTo(u, v);
    else {
      const bend = (26 + Math.abs(v - y) / 5) * (x > 0.8 * width ? -1 : 1);
      context.quadraticCurveTo((x + u) / 2 + bend, (y + v) / 2 - 12, u, v);
    }
    context.stroke();
  }

  const colours = groupColours();
  let k = 0;
  context.globalAlpha = 1;
  frame.groups.forEach(([name, size], g) => {
    const radius = Math.max(1.4, Math.min(5, (0.4 * (height - 34)) / size));
    for (let j = 0; j < size; j++, k++) {
      const [x, y] = points[k];
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fillStyle = colours[g % colours.length];
      if (silenced.has(frame.ids[k])) {
        context.strokeStyle = colour("warn");
        context.lineWidth = 2;
        context.stroke();
      } else context.fill();
    }
    const x = points[k - 1][0];
    context.fillStyle = colour("ink");
    context.textAlign = g === 0 ? "left" : g === frame.groups.length - 1 ? "right" : "center";
    const crowded = frame.groups.length > 6 && width < 480;
    context.fillText(crowded ? `${size}` : `${name.replace("layer ", "l")} ${size}`, x + (g === 0 ? -18 : g === frame.groups.length - 1 ? 18 : 0), 12);
  });
}

// ---- facts, curve, verdicts

function drawFrame() {
  showState();
  drawMatrix($("W"), frame, new Set(session.silenced));
  drawGraph();
  $("W").setAttribute("aria-label", `The matrix W at step ${frame.step}: ${frame.groups.map(([name, size]) => `${size} in ${name}`).join(", ")}`);

  const facts = [
    [session.score, score(frame.accuracy)],
    ["loss", frame.loss === null ? "–" : frame.loss.toPrecision(3)],
    ["connections", count(frame.connections)],
    ["neurons held", `${count(frame.held)} of ${count(session.n_neurons)}`],
    ["living per iteration", frame.fires.join(", ")],
  ];
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

  const points = session.points;
  while (points.length && points[points.length - 1][0] >= frame.step) points.pop();
  points.push([frame.step, frame.accuracy]);
  drawCurve();
  showMoment();
  showLayers();
  showSilenced();
}

function drawCurve() {
  const [context, width, height] = ready($("curve"));
  const points = session.points;
  const last = Math.max(1, frame.latest);
  const x = (step) => 4 + ((width - 8) * step) / last;
  const y = (a) => height - 18 - (height - 24) * Math.max(0, Math.min(1, a));
  context.strokeStyle = colour("line");
  context.strokeRect(4.5, 5.5, width - 9, height - 24);

  // A line for each turn of a dial.
  context.strokeStyle = colour("warn");
  for (const [step] of session.turns) {
    context.beginPath();
    context.moveTo(x(step), 5);
    context.lineTo(x(step), height - 18);
    context.stroke();
  }
  context.strokeStyle = colour("accent");
  context.lineWidth = 2;
  context.beginPath();
  points.forEach(([step, a], k) => (k ? context.lineTo(x(step), y(a)) : context.moveTo(x(step), y(a))));
  context.stroke();
  context.fillStyle = colour("muted");
  context.fillText(`${session.score} over ${count(last)} steps; lines: dials turned`, 5, height - 4);
}

function takeVerdict(message) {
  if (session && message.serial !== session.serial) return;
  verdict = message;
  judgedAt = Date.now();
  $("summary").textContent = message.summary;
  const items = message.verdicts.map((v) => {
    const name = v.name.replace("_", " ");
    const item = el("li", { title: `${v.about}: ${v.effect.toPrecision(2)}` }, `${v.present ? "✓" : "–"} ${name}`);
    if (v.present) item.className = "yes";
    return item;
  });
  $("verdicts").replaceChildren(...items);
  showAge();
}

function showAge() {
  if (!verdict) return;
  const seconds = Math.round((Date.now() - judgedAt) / 1000);
  $("age").textContent = `judged at step ${count(verdict.step)}, ${seconds} s ago, with ${verdict.draws} draws from each null model`;
}
setInterval(showAge, 1000);

// ---- the session

function takeSession(message) {
  const isOther = !session || session.serial !== message.serial;
  session = message;
  if (isOther) {
    verdict = null;
    $("summary").textContent = "not judged yet";
    $("age").textContent = "A network is judged once it is sparse enough.";
    $("verdicts").replaceChildren();
    fillForm();
    say("");
  }
  showPresets();
  showDials(isOther);
  $("run").textContent = message.running ? "Pause" : "Train";
  $("why").textContent = message.why ?? "";
  for (const by of ["layers", "place"]) $(`by-${by}`).setAttribute("aria-pressed", `${message.by === by}`);
  for (const name of ["random_labels", "shuffled_positions"]) {
    const can = message.twins.includes(name);
    $(name).disabled = !can;
    $(name).title = can ? "" : `The task ${message.task} has no such control.`;
    $(name).setAttribute("aria-pressed", `${message.twin === name}`);
  }
  compareAddress();
  if (frame && !isOther) drawFrame();
  else showState();
}

// For whoever reads the page from outside: which network it shows, and whether that is all of it.
function showState() {
  document.body.dataset.network = `${drawn}`;
  const isWhole = frame !== null && drawn === session.serial && frame.step === session.step;
  document.body.dataset.atRest = `${isWhole && !session.running}`;
}

function showPresets() {
  if (!$("presets").children.length) {
    for (const [name, title, why] of session.presets) {
      const button = el("button", { type: "button", title: why, id: `preset-${name}` }, title);
      button.addEventListener("click", () => send({ do: "preset", name, seed: session.seed }));
      $("presets").append(button);
    }
  }
  for (const [name] of session.presets) $(`preset-${name}`).classList.toggle("now", session.preset === name);
}

function fillForm() {
  if (!$("task").children.length) for (const task of session.tasks) $("task").append(el("option", {}, task));
  for (const name of ["task", "n_neurons", "n_iterations", "seed", "rate"]) $(name).value = session[name];
  $("outgoing").checked = session.dials.some((dial) => dial.name === "outgoing" && dial.usable);
  $("places").checked = session.places !== "none";
  $("places").disabled = session.places === "lattice";
  $("neuron").max = session.n_neurons - 1;
}

function showMoment() {
  if (document.activeElement !== $("moment") || session.running) {
    $("moment").max = Math.max(frame.latest, session.latest);
    $("moment").value = frame.step;
  }
  const text = `step ${count(frame.step)} of ${count(Math.max(frame.latest, session.latest))}`;
  $("moment-text").textContent = text;
  $("moment").setAttribute("aria-valuetext", text);
}

// ---- dials

const ABOUT = {
  weight: "what each connection costs",
  bias: "what a constant neuron costs",
  activity: "what firing costs",
  depth: "what firing at two iterations costs",
  self: "what a neuron pays for its own weight, away from w0",
  locality: "what a long wire costs",
  symmetry: "what differing from other sites costs",
  outgoing: "what connections from hidden neurons cost",
  w0: "the weight of a neuron to itself that is free",
  q: "the power of distance in the price of a wire",
};
const POSITIONS = 100; // of a dial

/** The value of a dial at a position from 0 to 100. */
function valueAt(dial, position) {
  if (dial.even) return dial.low + ((dial.high - dial.low) * position) / POSITIONS;
  if (position === 0) return 0;
  const power = dial.low + ((dial.high - dial.low) * (position - 1)) / (POSITIONS - 1);
  return Number((10 ** power).toPrecision(3));
}

function positionOf(dial) {
  const value = dial.value ?? 0;
  if (dial.even) return Math.round((POSITIONS * (value - dial.low)) / (dial.high - dial.low));
  if (value <= 0) return 0;
  const share = (Math.log10(value) - dial.low) / (dial.high - dial.low);
  return Math.max(1, Math.min(POSITIONS, Math.round(1 + share * (POSITIONS - 1))));
}

let waiting = null; // a dial that is dragged: its last value, sent after a while

function turn(name, value) {
  if (waiting && waiting.name !== name) {
    clearTimeout(waiting.timer);
    send({ do: "dial", name: waiting.name, value: waiting.value });
    waiting = null;
  }
  if (waiting) {
    waiting.value = value;
    return;
  }
  send({ do: "dial", name, value });
  waiting = { name, value, timer: setTimeout(settle, MILLISECONDS), sent: value };
}

function settle() {
  if (waiting.value !== waiting.sent) send({ do: "dial", name: waiting.name, value: waiting.value });
  waiting = null;
}

function showDials(isOther) {
  const list = $("dial-list");
  if (!list.children.length) {
    for (const dial of session.dials) {
      const input = el("input", { type: "range", min: 0, max: POSITIONS, id: `dial-${dial.name}` });
      const label = el("label", { for: input.id, title: ABOUT[dial.name] }, dial.name);
      const value = el("output", { for: input.id, id: `value-${dial.name}` });
      input.addEventListener("input", () => {
        const now = session.dials.find((d) => d.name === dial.name);
        const set = valueAt(now, Number(input.value));
        value.textContent = number(set);
        input.setAttribute("aria-valuetext", number(set));
        turn(dial.name, set);
      });
      list.append(el("div", { class: "dial" }, label, input, value));
    }
  }
  for (const dial of session.dials) {
    const input = $(`dial-${dial.name}`);
    input.disabled = !dial.usable;
    input.parentNode.classList.toggle("off", !dial.usable);
    const needs = { locality: "places", symmetry: "a lattice: the convolutional preset", outgoing: "its term", q: "places" };
    input.parentNode.title = dial.usable ? ABOUT[dial.name] : `${ABOUT[dial.name]}; this network has not ${needs[dial.name] ?? "its term"}`;
    // A dial that is turned, or was a moment ago, stays where the hand has put it.
    if (!isOther && waiting && waiting.name === dial.name) continue;
    const text = dial.usable ? number(dial.value) : "–";
    input.value = positionOf(dial);
    $(`value-${dial.name}`).textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
}

// ---- silence

function silence(neurons) {
  send({ do: "silence", neurons });
}

function toggle(ids) {
  const set = new Set(session.silenced);
  const all = ids.every((id) => set.has(id));
  for (const id of ids) all ? set.delete(id) : set.add(id);
  silence([...set]);
}

function showLayers() {
  const key = frame.groups.map(([name, size]) => `${name} ${size}`).join();
  if ($("layers").dataset.key === key) return;
  $("layers").dataset.key = key;
  const active = document.activeElement;
  const focus = active && active.parentNode === $("layers") ? active.dataset.name : null;
  const buttons = frame.groups.map(([name, size]) => {
    const button = el("button", { type: "button", "data-name": name }, `${name} · ${size}`);
    button.addEventListener("click", () => toggle(idsOf(name)));
    return button;
  });
  $("layers").replaceChildren(...buttons);
  if (focus) buttons.find((button) => button.dataset.name === focus)?.focus();
}

function idsOf(group) {
  let start = 0;
  for (const [name, size] of frame.groups) {
    if (name === group) return frame.ids.slice(start, start + size);
    start += size;
  }
  return [];
}

function showSilenced() {
  const n = session.silenced.length;
  if (!n) $("silenced").textContent = "All neurons speak.";
  else {
    const names = n <= 6 ? `neuron ${session.silenced.join(", ")}` : `${n} neurons`;
    $("silenced").textContent = `Without ${names}: ${score(frame.without)}, with all: ${score(frame.accuracy)}`;
  }
}

$("W").addEventListener("click", (event) => {
  if (!frame) return;
  const side = $("W").clientWidth - EDGE;
  const k = Math.floor(((event.offsetY - EDGE) / side) * frame.held);
  if (k >= 0 && k < frame.held) toggle([frame.ids[k]]);
});

$("graph").addEventListener("click", (event) => {
  if (!frame) return;
  const points = places(frame, $("graph").clientWidth, $("graph").clientHeight);
  const far = points.map(([x, y]) => Math.hypot(x - event.offsetX, y - event.offsetY));
  const nearest = far.indexOf(Math.min(...far));
  if (far[nearest] < 14) toggle([frame.ids[nearest]]);
});

$("silence-form").addEventListener("submit", (event) => {
  event.preventDefault();
  toggle([Number($("neuron").value)]);
});
$("wake").addEventListener("click", () => silence([]));

// ---- the network before

function takeBefore(message) {
  const name = message.preset ?? message.task;
  $("before-text").textContent = `${name}, S = ${message.n_neurons}, I = ${message.n_iterations}, seed ${message.seed}, step ${count(message.step)}: ${message.summary}`;
}

function drawBefore() {
  $("before-card").hidden = false;
  drawMatrix($("before"), before, new Set());
}

// ---- training

$("run").addEventListener("click", () => send({ do: session.running ? "pause" : "run" }));
$("step").addEventListener("click", () => send({ do: "step", n: 1 }));
$("steps").addEventListener("click", () => send({ do: "step", n: 100 }));

let moving = null;
$("moment").addEventListener("input", () => {
  // While the slider is dragged, only the last place counts.
  clearTimeout(moving);
  const step = Number($("moment").value);
  $("moment-text").textContent = `step ${count(step)}`;
  moving = setTimeout(() => send({ do: "back", step }), MILLISECONDS);
});

for (const by of ["layers", "place"]) $(`by-${by}`).addEventListener("click", () => send({ do: "order", by }));
for (const kind of ["random_labels", "shuffled_positions"]) {
  $(kind).addEventListener("click", () => send({ do: "whatif", kind, on: session.twin !== kind }));
}

$("start").addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = { do: "start", task: $("task").value };
  for (const name of ["n_neurons", "n_iterations", "seed"]) {
    const value = Number($(name).value);
    if (value !== session[name]) fields[name] = value;
  }
  if (Number($("rate").value) !== session.rate) fields.rate = Number($("rate").value);
  if ($("outgoing").checked) fields.dials = { outgoing: session.dials.find((d) => d.name === "outgoing").value ?? 1e-4 };
  if (!$("places").disabled) fields.places = $("places").checked;
  send(fields);
});

// ---- saving

$("save").addEventListener("submit", (event) => {
  event.preventDefault();
  $("saved").textContent = "Saving …";
  send({ do: "save", name: $("save-name").value });
});

function takeSaved(message) {
  $("saved").textContent = `Saved after ${count(message.step)} steps: ${message.folder}. Look at it: urn inspect ${message.folder} --html. Repeat it bit for bit: OMP_NUM_THREADS=1 urn train ${message.folder}/config.toml --out again`;
}

// ---- the state in the address

function stateOf() {
  const state = new URLSearchParams();
  if (session.origin) state.set("preset", session.origin);
  state.set("seed", session.seed);
  if (session.preset === null) {
    for (const name of ["task", "n_neurons", "n_iterations"]) state.set(name, session[name]);
    if (session.rate_is_plain) state.set("rate", session.rate);
  }
  for (const name of new Set(session.turns.map(([, turned]) => turned))) {
    const dial = session.dials.find((d) => d.name === name);
    state.set(`c.${name}`, dial.value);
  }
  if (session.by !== "layers") state.set("by", session.by);
  return state.toString();
}

function compareAddress() {
  const now = stateOf();
  const asked = location.hash.slice(1);
  if (!readHash) {
    readHash = true;
    if (asked && asked !== now) {
      shownHash = asked;
      $("notice-text").textContent = "The address holds another network than the one that trains.";
      $("notice").hidden = false;
      return;
    }
  }
  if ($("notice").hidden && shownHash !== now) {
    shownHash = now;
    history.replaceState(null, "", `${location.search}#${now}`);
  }
}

function startFromAddress() {
  const state = new URLSearchParams(location.hash.slice(1));
  const fields = { do: "start", dials: {} };
  for (const [name, text] of state) {
    if (name === "preset" || name === "task") fields[name] = text;
    else if (name.startsWith("c.")) fields.dials[name.slice(2)] = Number(text);
    else if (name !== "by") fields[name] = Number(text);
  }
  $("notice").hidden = true;
  const plain = Object.keys(fields).every((name) => ["do", "dials", "preset", "seed"].includes(name)) && !Object.keys(fields.dials).length;
  send(plain && fields.preset ? { do: "preset", name: fields.preset, seed: fields.seed ?? 0 } : fields);
  if (state.get("by") === "place") send({ do: "order", by: "place" });
}

$("notice-yes").addEventListener("click", startFromAddress);
$("notice-no").addEventListener("click", () => {
  $("notice").hidden = true;
  compareAddress();
});
addEventListener("hashchange", () => {
  if (location.hash.slice(1) === shownHash) return;
  readHash = false;
  compareAddress();
});

// ---- the tour

const TOUR = [
  ["1 of 6: one flat matrix", "W begins dense and random. Every neuron may hear every other. The bands at its edges name the groups. Start a network on digits: nothing charges neurons that fire again, and the verdict soon says that it is recurrent.", "Start it", () => send({ do: "preset", name: "recurrent", seed: 0 })],
  ["2 of 6: turn a dial", "Now charge a neuron that fires at two iterations. Within a few hundred steps blocks stand beside the diagonal: each layer hears only the one before it. Wait until the verdict names an MLP.", "Set depth to 0.1", () => send({ do: "dial", name: "depth", value: 0.1 })],
  ["3 of 6: no way back", "Make depth free again. The layers stay: a neuron that was priced away hears nothing and says nothing, and no gradient brings it back. What a network is depends on what it lived through.", "Set depth to 0", () => send({ do: "dial", name: "depth", value: 0 })],
  ["4 of 6: silence", "Click a neuron in the graph, or a layer below it. The page says at once what is left of the accuracy. Training goes on with all neurons.", "Silence the first hidden layer", () => frame && frame.groups.length > 2 && silence(idsOf(frame.groups[1][0]))],
  ["5 of 6: go back", "Every moment can be come back to. Drag the slider, or press [ and ]. What you do there replaces what came after.", "Go back to the start", () => send({ do: "back", step: 0 })],
  ["6 of 6: what if", "Local fields need places that mean something. Start the local network, wait for its verdict, then shuffle the places. The network before stays beside the new one.", "Start the local network", () => send({ do: "preset", name: "local", seed: 0 })],
];
let stop = 0; // of the tour

function showTour(k) {
  stop = Math.max(0, Math.min(TOUR.length - 1, k));
  const [title, text, action] = TOUR[stop];
  $("tour").hidden = false;
  $("tour-title").textContent = title;
  $("tour-text").textContent = text;
  $("tour-do").textContent = action;
  $("tour-back").disabled = stop === 0;
  $("tour-next").disabled = stop === TOUR.length - 1;
  $("tour-title").focus();
}

function closeTour() {
  $("tour").hidden = true;
  $("tour-open").focus();
}

$("tour-open").addEventListener("click", () => showTour(0));
$("tour-do").addEventListener("click", () => TOUR[stop][3]());
$("tour-next").addEventListener("click", () => showTour(stop + 1));
$("tour-back").addEventListener("click", () => showTour(stop - 1));
$("tour-close").addEventListener("click", closeTour);

// ---- keys

const KEYS = {
  " ": () => $("run").click(),
  ".": () => $("step").click(),
  "[": () => frame && send({ do: "back", step: Math.max(0, frame.step - 100) }),
  "]": () => frame && send({ do: "back", step: Math.min(Math.max(frame.latest, session.latest), frame.step + 100) }),
  l: () => $("by-layers").click(),
  p: () => $("by-place").click(),
  w: () => $("wake").click(),
  "?": () => showTour(0),
};

addEventListener("keydown", (event) => {
  const target = event.target;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "range";
  if (event.key === "Escape" && !$("tour").hidden) closeTour();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  // A button that has the focus takes the space bar itself.
  if (event.key === " " && target.tagName === "BUTTON") return;
  const act = KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

// ---- the screen

function redraw() {
  if (frame && session) drawFrame();
  if (before) drawBefore();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", redraw);
connect();
