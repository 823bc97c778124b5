// The neuron that was clicked: what of the input it reads, when it fires, and what it is joined to.
(() => {
  const host = $("neuron");
  const MOST = 8; // connections listed each way
  const HINT =
    "Point at a neuron to light its paths. Click it to see what of the input it reads, " +
    "when it fires and what it is joined to.";

  function draw() {
    host.replaceChildren();
    const now = graph.current();
    if (!state.selected) {
      return note(now ? HINT : "There is no graph here to look into.");
    }

    const n = state.selected.neuron;
    const v = graph.selectedNode();
    heading(`Neuron ${neurons.ids[n]}`);
    if (v < 0) {
      note("Not on any path from an input to an output here.");
    } else {
      note(`${now.nameOf(v)} · on paths at iteration ${iterations(n)} · bias ${bias(n)}`);
      if (now.g.layer[v] > 0) drawField(v);
    }
    drawChoices(neurons.ids[n]);
    drawActivity(n);
    if (v >= 0) {
      listLinks("comes from", now.into.of(v), now.g.source);
      listLinks("goes to", now.out.of(v), now.g.target);
    }
  }

  /** What can be done with the neuron, and the groups that it is in. */
  function drawChoices(id) {
    const groups = state.groups.filter(({ ids }) => ids.includes(id)).map(({ name }) => name);
    if (groups.length) note(`pinned in ${groups.join(", ")}`);
    if (!run) return;

    const words = state.silenced.has(id) ? "let it speak again" : "silence it";
    const onclick = () => {
      silence([id]);
      host.querySelector(".silence").focus(); // the panel is drawn anew
    };
    const button = el("button", { type: "button", class: "quiet silence", onclick }, words);
    host.append(el("p", {}, button));
  }

  const note = (words) => host.append(el("p", { class: "note" }, words));
  const heading = (words) => host.append(el("h3", {}, words));
  const bias = (n) => signed(snapshot().bias[n]);

  /** The iterations at which a neuron is on paths. */
  function iterations(n) {
    const { g, used } = graph.current();
    const nodes = Array.from(g.neuron.keys()).filter((v) => used[v] && g.neuron[v] === n);
    return nodes.map((v) => g.iteration[v]).join(", ");
  }

  // ---- receptive field

  /** What reaches a node from every input: products of weights, summed over paths. */
  function fieldOf(v) {
    const { g, into, used } = graph.current();
    const gain = new Float64Array(g.neuron.length);
    const field = new Float64Array(data.n_inputs);
    gain[v] = 1;
    let direct = true; // whether only inputs come before the node

    // Nodes come by iteration, so the gain of a node is complete when its turn comes.
    for (let u = v; u >= 0; u--) {
      if (!gain[u]) continue;
      if (g.layer[u] === 0) field[neurons.ids[g.neuron[u]]] += gain[u];
      for (const e of into.of(u)) {
        const source = g.source[e];
        if (!used[source]) continue;
        gain[source] += gain[u] * g.weight[e];
        direct &&= g.layer[source] === 0;
      }
    }
    return { field, direct };
  }

  function drawField(v) {
    const { field, direct } = fieldOf(v);
    const through = "Receptive field, through the layers before it";
    heading(direct ? "Receptive field: weights from the inputs" : through);
    const canvas = el("canvas", { role: "img", "aria-label": "receptive field" });
    host.append(canvas);

    const width = host.clientWidth || 280;
    const top = field.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
    const own = inputPositions && positionOf(state.selected.neuron, inputPositions.dim);
    if (inputPositions && inputPositions.dim === 2) {
      const grid = gridOf(inputPositions.values);
      const height = Math.min(220, (width * grid.rows) / grid.columns);
      drawPlane(sized(canvas, width, height), field, grid, top, height / grid.rows, own);
    } else {
      drawLine(sized(canvas, width, 92), field, top, width, 92, own);
    }
    if (!direct) note("Products of weights summed over paths, as if every neuron were linear.");
  }

  /** The context of a canvas of a size in CSS pixels. */
  function sized(canvas, width, height) {
    const ratio = pixelRatio();
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
  }

  /** The position of a hidden neuron, or null. */
  function positionOf(n, dim) {
    const { positions } = snapshot();
    if (!positions || neurons.role[n] !== HIDDEN) return null;

    const own = Array.from(positions.subarray(n * dim, (n + 1) * dim));
    return own.length && own.every(Number.isFinite) ? own : null;
  }

  /** Index of a coordinate, from 0 to n - 1, along sorted coordinates; not rounded. */
  const along = (x, sorted, n) => ((x - sorted[0]) / (sorted.at(-1) - sorted[0] || 1)) * (n - 1);

  /** Columns and rows of positions in a plane. */
  function gridOf(positions) {
    const sorted = (list) => [...new Set(list)].sort((a, b) => a - b);
    const xs = sorted(positions.filter((_, k) => k % 2 === 0));
    const ys = sorted(positions.filter((_, k) => k % 2 === 1));
    const n = positions.length / 2;

    const even = xs.length * ys.length <= 4 * n; // scattered positions fill no grid
    const bins = Math.ceil(Math.sqrt(n));
    const columns = even ? xs.length : bins;
    const rows = even ? ys.length : bins;
    const bin = (x, list, size) => {
      return Math.min(size - 1, Math.max(0, Math.round(along(x, list, size))));
    };
    return {
      columns,
      rows,
      xs,
      ys,
      column: (x) => bin(x, xs, columns),
      row: (y) => bin(y, ys, rows),
    };
  }

  /** A square for every input, stronger the larger |field|, and a ring at the neuron itself. */
  function drawPlane(c, field, grid, top, size, own) {
    const { values } = inputPositions;
    c.fillStyle = colour("tint");
    c.fillRect(0, 0, grid.columns * size, grid.rows * size);
    for (let k = 0; k < field.length; k++) {
      const x = grid.column(values[2 * k]) * size;
      const y = grid.row(values[2 * k + 1]) * size;
      c.globalAlpha = Math.abs(field[k]) / top;
      c.fillStyle = colour(field[k] > 0 ? "positive" : "negative");
      c.fillRect(x, y, size, size);
    }
    c.globalAlpha = 1;
    if (!own) return;

    const x = (along(own[0], grid.xs, grid.columns) + 0.5) * size;
    const y = (along(own[1], grid.ys, grid.rows) + 0.5) * size;
    c.strokeStyle = colour("ink");
    c.lineWidth = 2;
    c.beginPath();
    c.arc(x, y, 5, 0, 7);
    c.stroke();
  }

  /** A bar for every input, up or down, and a triangle at the neuron itself. */
  function drawLine(c, field, top, width, height, own) {
    const n = field.length;
    const at = inputPositions ? inputPositions.values : Float32Array.from(field, (_, k) => k);
    const low = Math.min(...at);
    const high = Math.max(...at);
    const room = width / n;
    const scale = (x) => ((x - low) / (high - low || 1)) * (width - room) + room / 2;

    c.fillStyle = colour("tint");
    c.fillRect(0, 0, width, height);
    c.fillStyle = colour("grid");
    c.fillRect(0, height / 2, width, 1);
    const thick = Math.max(1, room * 0.75);
    for (let k = 0; k < n; k++) {
      const length = (field[k] / top) * (height / 2 - 4);
      const upper = height / 2 - Math.max(length, 0);
      c.fillStyle = colour(length > 0 ? "positive" : "negative");
      c.fillRect(scale(at[k]) - thick / 2, upper, thick, Math.abs(length));
    }
    if (!own) return;

    const x = scale(own[0]);
    c.fillStyle = colour("ink");
    c.beginPath();
    c.moveTo(x, height - 9);
    c.lineTo(x - 5, height);
    c.lineTo(x + 5, height);
    c.fill();
  }

  // ---- activity and connections

  function drawActivity(n) {
    const values = snapshot().activity;
    if (!values) return;

    const nNeurons = neurons.ids.length;
    const sizes = Array.from(
      { length: values.length / nNeurons },
      (_, l) => values[l * nNeurons + n],
    );
    const top = Math.max(...sizes, 1e-30);
    heading("Mean |activity| at each iteration");
    sizes.forEach((size, l) => host.append(bar(`${l}`, size / top, number(size))));
  }

  /** The strongest of some edges, each with a button that selects the node at its far end. */
  function listLinks(title, edges, ends) {
    const { g, used } = graph.current();
    const size = (e) => Math.abs(g.weight[e]);
    const links = Array.from(edges).filter((e) => used[ends[e]]);
    if (!links.length) return;

    links.sort((a, b) => size(b) - size(a));
    const many = links.length > MOST;
    heading(`${title} (${many ? `strongest ${MOST} of ${count(links.length)}` : links.length})`);
    const top = size(links[0]);
    const items = links.slice(0, MOST).map((e) => linkItem(g.weight[e], ends[e], size(e) / top));
    host.append(el("ul", { class: "links" }, ...items));
  }

  function linkItem(weight, node, share) {
    const { g, nameOf } = graph.current();
    const onclick = () => select(g.neuron[node], g.iteration[node]);
    const words = `${neurons.ids[g.neuron[node]]} · ${nameOf(node)}`;
    const button = el("button", { type: "button", onclick }, words);
    const background = `var(--${weight > 0 ? "positive" : "negative"})`;
    const fill = el("span", { class: "fill", style: { width: `${100 * share}%`, background } });
    const track = el("span", { class: "track" }, fill);
    return el("li", {}, button, track, el("span", { class: "value" }, signed(weight)));
  }

  observers.selected.push(draw);
  observers.snapshot.push(draw);
  observers.level.push(draw);
  observers.silenced.push(draw);
  observers.groups.push(draw);
  redraws.push(draw);
})();
