// The data of a network, what is shown of it, and who observes that. Draws nothing. This file and
// those after it are the body of `network(own)`: `own` takes in what other networks' scripts see.
const { prefix, data } = own;
const $ = (id) => document.getElementById(prefix + id); // of this network's part of the page
const TYPES = {
  f4: Float32Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i2: Int16Array,
};

// Roles of neurons, as snapshots.py writes them.
const INPUT = 0;
const HIDDEN = 1;
const OUTPUT = 2;

function unpack(array) {
  if (!array) return null;

  const text = atob(array.data);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new TYPES[array.type](bytes.buffer);
}

/** The packed arrays of an object, by name, as typed arrays; other values stay as they are. */
function unpackAll(packed) {
  const entries = Object.entries(packed).map(([name, value]) => [
    name,
    value && value.data !== undefined ? unpack(value) : value,
  ]);
  return Object.fromEntries(entries);
}

const neurons = unpackAll(data.neurons);
const inputPositions = data.input_positions && {
  dim: data.input_positions.dim,
  values: unpack(data.input_positions),
};

// snapshot: index in `data.snapshots`; level: 0 keeps all weights; sort: layers of the "end" or of
// the snapshot's "own"; selected: a neuron's index in `neurons`, and an iteration; silenced: ids of
// neurons that are held at zero; groups: pinned, {name, ids}; lit: the name of one of these, or null.
const state = {
  snapshot: data.snapshots.length - 1,
  level: 0,
  sort: "end",
  selected: null,
  silenced: new Set(),
  groups: [],
  lit: null,
};

// Functions that are called when a part of the state has changed.
const observers = { snapshot: [], level: [], selected: [], silenced: [], groups: [] };

function changed(part) {
  for (const observer of observers[part]) observer();
  remember();
}

/** {id: index in `neurons`} of the neurons that are shown at any snapshot. */
const indexOf = new Map(Array.from(neurons.ids, (id, n) => [id, n]));

// Snapshots that were shown before, by index, their arrays unpacked.
const unpacked = new Map();

/** The snapshot that is shown, its arrays unpacked when first needed. */
function snapshot() {
  if (!unpacked.has(state.snapshot)) {
    const packed = data.snapshots[state.snapshot];
    unpacked.set(state.snapshot, {
      ...unpackAll(packed),
      weights: unpackAll(packed.weights),
      graph: packed.graph && unpackAll(packed.graph),
    });
  }
  return unpacked.get(state.snapshot);
}

/** What is known of the snapshot with the weights that the second slider keeps. */
function level() {
  const levels = snapshot().levels;
  return levels[Math.min(state.level, levels.length - 1)];
}

/** Why the network is not judged that is shown. */
function whyNotJudged() {
  const { levels } = snapshot();
  const judged = levels.findIndex(({ status }) => status !== undefined);
  if (judged < 0) return "Too many weights at this step to be judged.";
  const kept = count(levels[judged].kept);
  const which = judged ? `its ${kept} strongest weights` : `all its ${kept} weights`;
  return `Not judged: at this step the network with ${which} is.`;
}

/** How many of the sizes, given in falling order, are larger than the threshold. */
function countAbove(sizes, threshold) {
  let low = 0;
  let high = sizes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Math.abs(sizes[middle]) > threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

function select(neuron, iteration) {
  state.selected = neuron === null ? null : { neuron, iteration };
  changed("selected");
}

/** The selection as {id, iteration}, for networks that number their neurons otherwise; or null. */
function selection() {
  const at = state.selected;
  return at && { id: neurons.ids[at.neuron], iteration: at.iteration };
}

/** What is selected elsewhere selected here too, where there is such a neuron. */
function selectAs(other) {
  const n = other ? indexOf.get(other.id) : undefined;
  if (n === undefined) {
    if (state.selected) select(null);
  } else if (state.selected?.neuron !== n || state.selected.iteration !== other.iteration) {
    select(n, other.iteration);
  }
}

/** Neurons silenced, or let speak again where all of them are silenced. */
function silence(ids) {
  const all = ids.every((id) => state.silenced.has(id));
  for (const id of ids) {
    if (all) state.silenced.delete(id);
    else state.silenced.add(id);
  }
  changed("silenced");
}

/** The neurons that stand together at the end, and how they are called: [{name, ids}]. */
function naturalGroups() {
  const layers = Array.from(neurons.layer);
  const depth = Math.max(0, ...layers.filter((_, n) => neurons.role[n] === HIDDEN));
  const byName = new Map();
  for (let n = 0; n < layers.length; n++) {
    const name = depth ? groupName(neurons.role[n], layers[n], depth) : endName(neurons.role[n]);
    if (!byName.has(name)) byName.set(name, []);
    byName.get(name).push(neurons.ids[n]);
  }
  return Array.from(byName, ([name, ids]) => ({ name, ids }));
}

const endName = (role) => ({ [INPUT]: "inputs", [OUTPUT]: "outputs" })[role] ?? "hidden";

/** The neurons of the group that is lit, by id. */
function litIds() {
  const group = state.groups.find(({ name }) => name === state.lit);
  return new Set(group ? group.ids : []);
}

// ---- words and numbers

function number(x, digits = 3) {
  if (x === null || !Number.isFinite(x)) return "–";
  if (Number.isInteger(x)) return count(x + 0).replace("-", "−"); // + 0: no minus zero

  const size = Math.abs(x);
  const scientific = size >= 1e5 || size < 1e-4;
  const text = scientific ? x.toExponential(digits - 1) : `${Number(x.toPrecision(digits))}`;
  return text.replace("-", "−");
}

const signed = (x) => (x > 0 ? "+" : "") + number(x);
const percent = (x) => (x === null ? "–" : `${x && x < 0.01 ? "<1" : Math.round(100 * x)} %`);

function groupName(role, layer, depth) {
  if (role === INPUT) return "inputs";
  if (role === OUTPUT) return "outputs";
  if (layer < 0) return "unused later";
  return depth === 1 ? "hidden" : `layer ${layer}`;
}

Object.assign(own, {
  state,
  observers,
  changed,
  snapshot,
  level,
  indexOf,
  selection,
  selectAs,
  number,
});
