// What is shown, in the part of the address behind the #: an address opened again shows the same.
const QUIET = 150; // milliseconds without a change after which the address is written
let remembering = false; // from the first drawing on
let writing = 0; // the timer
let known = location.hash; // what was read or written last

/** Have the address written soon; browsers refuse to do so at every move of a slider. */
function remember() {
  if (!remembering) return;
  clearTimeout(writing);
  writing = setTimeout(writeAddress, QUIET);
}

// ---- neurons in few letters

/** Ids as "1-5,8". */
function rangesOf(ids) {
  const sorted = [...ids].sort((a, b) => a - b);
  const ranges = [];
  for (const id of sorted) {
    const last = ranges.at(-1);
    if (last && last[1] === id - 1) last[1] = id;
    else ranges.push([id, id]);
  }
  return ranges.map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(",");
}

/** The ids of "1-5,8" of a network of n neurons, or null. */
function idsOf(text, n) {
  if (!/^\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*$/.test(text)) return null;

  const ids = new Set();
  for (const range of text.split(",")) {
    const [low, high = low] = range.split("-").map(Number);
    if (low > high || high >= n) return null;
    for (let id = low; id <= high; id++) ids.add(id);
  }
  return [...ids];
}

// ---- what the address holds

// Each field writes its texts (none where all is as it was at first), reads one or several and says
// whether they could be, and goes back to how it was at first. Reading draws nothing.
const wholeNumber = (text) => (/^\d{1,12}$/.test(text) ? Number(text) : -1);

const stepField = {
  name: "step",
  write: () => (atEnd() ? [] : [`${steps[shown.position]}`]),
  read: ([text]) => {
    const position = steps.indexOf(wholeNumber(text));
    if (position >= 0) shown.position = position;
    follow();
    return position >= 0;
  },
  reset: () => {
    shown.position = steps.length - 1;
    follow();
  },
};

const levelField = {
  name: "level",
  write: () => (shown.level ? [`${shown.level}`] : []),
  read: ([text]) => {
    const level = wholeNumber(text);
    if (level < 0 || level >= mostLevels()) return false;
    shown.level = level;
    follow();
    return true;
  },
  reset: () => {
    shown.level = 0;
    follow();
  },
};

const neuronField = {
  name: "neuron",
  write: () => {
    const at = networks.map(({ selection }) => selection()).find(Boolean);
    return at ? [at.iteration === null ? `${at.id}` : `${at.id}.${at.iteration}`] : [];
  },
  read: ([text]) => {
    const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
    if (!match) return false;

    const iteration = match[2] === undefined ? null : Number(match[2]);
    for (const { state, indexOf } of networks) {
      const neuron = indexOf.get(Number(match[1]));
      state.selected = neuron === undefined ? null : { neuron, iteration };
    }
    return networks.some(({ state }) => state.selected);
  },
  reset: () => networks.forEach(({ state }) => (state.selected = null)),
};

const SORTS = ["end", "own"];
const CLICKS = ["shows", "silences"];

/** The fields of one network. */
function fieldsOf(own) {
  const { prefix, data, state, view, unfolded, verdictNames } = own;
  const sort = $(`${prefix}sort`);
  const click = $(`${prefix}click`); // none where there are no samples

  const fields = [
    {
      name: "sort",
      write: () => (state.sort === "end" ? [] : [state.sort]),
      read: ([text]) => SORTS.includes(text) && ((sort.value = state.sort = text), true),
      reset: () => (sort.value = state.sort = "end"),
    },
    {
      name: "zoom",
      write: () => {
        const { x, y, zoom } = view.get();
        return zoom === 1 ? [] : [`${x},${y},${zoom}`];
      },
      read: ([text]) => {
        const [x, y, zoom, ...more] = text.split(",").map((part) => (part ? Number(part) : NaN));
        const inside = (at) => at >= 0 && at <= 1 - 1 / zoom + 1e-4;
        if (more.length || !(zoom >= 1 && zoom <= view.mostZoom)) return false;
        if (!inside(x) || !inside(y)) return false;
        view.set({ x, y, zoom });
        return true;
      },
      reset: () => view.set({ x: 0, y: 0, zoom: 1 }),
    },
    {
      name: "open",
      write: () => (unfolded.size ? [[...unfolded].join()] : []),
      read: ([text]) => {
        const names = text.split(",");
        unfolded.clear();
        if (!names.every((name) => Object.hasOwn(verdictNames, name))) return false;
        names.forEach((name) => unfolded.add(name));
        return true;
      },
      reset: () => unfolded.clear(),
    },
    {
      name: "group",
      write: () => {
        if (sameGroups(state.groups, own.pinned)) return [];
        if (!state.groups.length) return [""];
        return state.groups.map(({ name, ids }) => `${rangesOf(ids)}:${name}`);
      },
      read: (texts) => {
        const given = texts.length === 1 && !texts[0] ? [] : texts.map((text) => groupOf(text));
        const groups = own.checkedGroups(given);
        if (groups) state.groups = groups;
        return groups !== null;
      },
      reset: () => (state.groups = own.checkedGroups(own.pinned)),
    },
    {
      name: "lit",
      write: () => (state.lit === null ? [] : [state.lit]),
      read: ([text]) => {
        const isThere = state.groups.some(({ name }) => name === text);
        state.lit = isThere ? text : null;
        return isThere;
      },
      reset: () => (state.lit = null),
    },
  ];

  /** A group as the address has it, "1-5,8:name"; null where it is none. */
  const groupOf = (text) => {
    const colon = text.indexOf(":");
    const ids = idsOf(text.slice(0, colon), data.n_neurons);
    return colon < 0 || !ids ? null : { name: text.slice(colon + 1), ids };
  };

  if (click) {
    fields.push(
      {
        name: "silenced",
        write: () => (state.silenced.size ? [rangesOf(state.silenced)] : []),
        read: ([text]) => {
          const ids = idsOf(text, data.n_neurons);
          if (ids) state.silenced = new Set(ids);
          return ids !== null;
        },
        reset: () => (state.silenced = new Set()),
      },
      {
        name: "click",
        write: () => (click.value === "shows" ? [] : [click.value]),
        read: ([text]) => CLICKS.includes(text) && ((click.value = text), true),
        reset: () => (click.value = "shows"),
      },
    );
    click.addEventListener("change", remember);
  }
  return fields.map((field) => ({ ...field, name: `${prefix}${field.name}` }));
}

const sameGroups = (some, others) => JSON.stringify(some) === JSON.stringify(others);

// ---- written and read

// In this order: which levels there are depends on the step, and what can be lit on the groups.
const fields = [stepField, levelField, neuronField, ...networks.flatMap(fieldsOf)];

function writeAddress() {
  const words = new URLSearchParams();
  for (const { name, write } of fields) for (const text of write()) words.append(name, text);
  const text = `${words}`.replaceAll("%2C", ",").replaceAll("%3A", ":"); // easier to read
  const next = text ? `#${text}` : "";
  if (next === known || location.hash !== known) return; // a new one is about to be read
  try {
    // An empty reference would stand for the address with the part that is to go.
    history.replaceState(null, "", next || location.href.split("#")[0]);
    known = location.hash;
  } catch {
    remembering = false; // a frame whose address cannot be changed
  }
}

/** Make everything as the address says; what it cannot be is left out, and named. */
function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  const names = new Set(fields.map(({ name }) => name));
  const wrong = [...new Set(words.keys())].filter((name) => !names.has(name));
  known = location.hash;
  for (const { name, read, reset } of fields) {
    const texts = words.getAll(name);
    reset();
    if (texts.length && !read(texts)) {
      wrong.push(name);
      reset();
    }
  }
  complain(wrong.map((name) => `${name}=${words.get(name)}`));
}

/** A line about what was left out. */
function complain(parts) {
  const MOST_LETTERS = 200; // of the line
  const note = $("address-note");
  note.hidden = !parts.length;
  const all = parts.join(", ");
  const short = all.length > MOST_LETTERS ? `${all.slice(0, MOST_LETTERS)}…` : all;
  note.textContent = `The address asks for what this page does not have; left out: ${short}`;
}

/** Whether the address only points to a part of the page, as the link at its top does. */
const isAnchor = () => !location.hash.includes("=") && $(location.hash.slice(1)) !== null;

addEventListener("hashchange", () => {
  if (isAnchor()) {
    known = location.hash;
    return remember();
  }
  stop();
  readAddress();
  drawAll();
});

/** Draw everything. */
function drawAll() {
  for (const { changed } of networks) {
    changed("snapshot");
    changed("groups");
  }
}
