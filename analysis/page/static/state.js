// The data of the page, what is being looked at, and who wants to know. Draws nothing.
const data = JSON.parse($("data").textContent);
const TYPES = { f4: Float32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array };
const INPUT = 0, OUTPUT = 2; // roles of neurons

function unpack(array) {
  if (!array) return null;
  const text = atob(array.data);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new TYPES[array.type](bytes.buffer);
}

const neurons = { ids: unpack(data.neurons.ids), role: unpack(data.neurons.role), layer: unpack(data.neurons.layer) };
const inputPlaces = data.input_positions && { dim: data.input_positions.dim, at: unpack(data.input_positions) };

// moment: place on the training slider; level: 0 keeps all weights; selected: a neuron's place in `neurons`, and an iteration.
const looking = { moment: data.moments.length - 1, level: 0, sort: "end", selected: null };
const watchers = { moment: [], level: [], selected: [] };

function changed(what) {
  for (const tell of watchers[what]) tell();
}

const opened = new Map();

/** The moment being looked at, its arrays unpacked when first needed. */
function moment() {
  const place = looking.moment;
  if (!opened.has(place)) {
    const packed = data.moments[place];
    const graph = packed.graph;
    opened.set(place, {
      step: packed.step,
      judged: packed.judged,
      levels: packed.levels,
      layer: unpack(packed.layer),
      bias: unpack(packed.bias),
      activity: unpack(packed.activity),
      positions: unpack(packed.positions),
      weights: {
        to: unpack(packed.weights.to), from: unpack(packed.weights.from), value: unpack(packed.weights.value),
        used: unpack(packed.weights.used), total: packed.weights.total,
      },
      graph: graph && {
        neuron: unpack(graph.neuron), iteration: unpack(graph.iteration), layer: unpack(graph.layer),
        source: unpack(graph.source), target: unpack(graph.target), weight: unpack(graph.weight),
        weakest: unpack(graph.weakest), total: graph.total,
      },
    });
  }
  return opened.get(place);
}

function level() {
  const levels = moment().levels;
  return levels[Math.min(looking.level, levels.length - 1)];
}

/** How many of the sizes, given in falling order, are larger than the threshold. */
function countAbove(sizes, threshold) {
  let low = 0, high = sizes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Math.abs(sizes[middle]) > threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

function select(neuron, iteration) {
  looking.selected = neuron === null ? null : { neuron, iteration };
  changed("selected");
}

// ---- words and numbers

const count = (n) => n.toLocaleString("en-US");

function number(x, digits = 3) {
  if (x === null || !Number.isFinite(x)) return "–";
  if (Number.isInteger(x)) return count(x + 0).replace("-", "−"); // + 0: no minus zero
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-4 ? x.toExponential(digits - 1) : Number(x.toPrecision(digits)).toString();
  return text.replace("-", "−");
}

const signed = (x) => (x > 0 ? "+" : "") + number(x);
const percent = (x) => (x === null ? "–" : `${x && x < 0.01 ? "<1" : Math.round(100 * x)} %`);

function groupName(role, layer, depth) {
  if (role === INPUT) return "inputs";
  if (role === OUTPUT) return "outputs";
  if (layer < 0) return "dropped later";
  return depth === 1 ? "hidden" : `layer ${layer}`;
}

// ---- pictures

/** A canvas over all of `host`; `begin` sizes it for the screen, clears it and gives its context and size in CSS pixels. */
function layerOf(host) {
  const canvas = el("canvas");
  host.append(canvas);
  const context = canvas.getContext("2d");
  return {
    canvas,
    begin() {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const width = host.clientWidth, height = host.clientHeight;
      const fits = canvas.width === Math.round(width * ratio) && canvas.height === Math.round(height * ratio);
      if (!fits) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      context.font = "12px system-ui, sans-serif";
      return { context, width, height, ratio };
    },
  };
}

/** Where the mouse is within an element. */
function within(event, host) {
  const box = host.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

const tip = $("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 16 + height > innerHeight ? y - height - 10 : y + 16}px`;
}
function hideTip() {
  tip.hidden = true;
}
