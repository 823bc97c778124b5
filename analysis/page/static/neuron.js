// The neuron that was clicked: what of the input it sees, when it speaks, and to whom it is joined.
const neuronPanel = (() => {
  const host = $("neuron");
  const MOST = 8; // connections listed each way

  function draw() {
    host.replaceChildren();
    if (!looking.selected) {
      const words = graph.present()
        ? "Point at a neuron to light its paths. Click it to see what of the input it sees, when it speaks and what it is joined to."
        : "There is no graph here to look into.";
      return host.append(el("p", { class: "note" }, words));
    }
    const now = graph.present(), v = graph.selectedNode(), n = looking.selected.neuron;
    host.append(el("h3", {}, `Neuron ${neurons.ids[n]}`));
    if (v < 0) {
      host.append(el("p", { class: "note" }, "Not on any path from an input to an output here."));
    } else {
      const { g, alive, last } = now;
      const times = [];
      for (let u = 0; u < alive.length; u++) if (alive[u] && g.neuron[u] === n) times.push(g.iteration[u]);
      const where = g.layer[v] === 0 ? "input" : g.layer[v] === last ? "output" : `layer ${g.layer[v]}`;
      host.append(el("p", { class: "note" }, `${where} · on paths at iteration ${times.join(", ")} · bias ${signed(moment().bias[n])}`));
      if (g.layer[v] > 0) field(v);
    }
    activity(n);
    if (v >= 0) {
      links("comes from", v, now.into.of(v), now.g.source);
      links("goes to", v, now.out.of(v), now.g.target);
    }
  }

  /** What reaches a node from every input: products of weights, summed over paths. */
  function fieldOf(v) {
    const { g, into, alive } = graph.present();
    const gain = new Float64Array(g.neuron.length), field = new Float64Array(data.n_inputs);
    gain[v] = 1;
    let direct = true;
    for (let u = v; u >= 0; u--) {
      if (!gain[u]) continue;
      if (g.layer[u] === 0) field[neurons.ids[g.neuron[u]]] += gain[u];
      for (const e of into.of(u)) {
        if (!alive[g.source[e]]) continue;
        gain[g.source[e]] += gain[u] * g.weight[e];
        direct &&= g.layer[g.source[e]] === 0;
      }
    }
    return { field, direct };
  }

  function field(v) {
    const { field, direct } = fieldOf(v);
    host.append(el("h3", {}, direct ? "Receptive field: weights from the inputs" : "Receptive field, through the layers before it"));
    const canvas = el("canvas", { role: "img", "aria-label": "receptive field" });
    host.append(canvas);
    const width = host.clientWidth || 280, places = inputPlaces;
    const top = field.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
    const plane = places && places.dim === 2;
    const spots = plane ? grid(places.at) : null;
    const height = plane ? Math.min(220, (width * spots.rows) / spots.columns) : 92;
    const c = sized(canvas, width, height);
    const own = moment().positions && place(looking.selected.neuron, places ? places.dim : 0);
    if (plane) drawPlane(c, field, spots, top, height, own);
    else drawLine(c, field, places, top, width, height, own);
    if (!direct) host.append(el("p", { class: "note" }, "Products of weights summed over paths, as if every neuron were linear."));
  }

  function sized(canvas, width, height) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    canvas.style.height = `${height}px`;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
  }

  /** Where a neuron sits, or null. */
  function place(n, dim) {
    const at = Array.from(moment().positions.subarray(n * dim, (n + 1) * dim));
    return dim && at.length && at.every(Number.isFinite) && neurons.role[n] === 1 ? at : null;
  }

  /** Columns and rows of places in a plane. */
  function grid(at) {
    const xs = [...new Set(at.filter((_, k) => k % 2 === 0))].sort((a, b) => a - b);
    const ys = [...new Set(at.filter((_, k) => k % 2 === 1))].sort((a, b) => a - b);
    const even = xs.length * ys.length <= 4 * (at.length / 2); // scattered places fill no grid
    const bins = Math.ceil(Math.sqrt(at.length / 2));
    const [columns, rows] = even ? [xs.length, ys.length] : [bins, bins];
    const scale = (x, list, n) => Math.min(n - 1, Math.max(0, Math.round(((x - list[0]) / (list.at(-1) - list[0] || 1)) * (n - 1))));
    return { columns, rows, column: (x) => scale(x, xs, columns), row: (y) => scale(y, ys, rows), xs, ys };
  }

  function drawPlane(c, field, spots, top, height, own) {
    const size = height / spots.rows;
    c.fillStyle = colour("tint");
    c.fillRect(0, 0, spots.columns * size, height);
    for (let k = 0; k < field.length; k++) {
      c.globalAlpha = Math.abs(field[k]) / top;
      c.fillStyle = colour(field[k] > 0 ? "positive" : "negative");
      c.fillRect(spots.column(inputPlaces.at[2 * k]) * size, spots.row(inputPlaces.at[2 * k + 1]) * size, size, size);
    }
    c.globalAlpha = 1;
    if (!own) return;
    const at = (x, list, n) => (((x - list[0]) / (list.at(-1) - list[0] || 1)) * (n - 1) + 0.5) * size;
    c.strokeStyle = colour("ink");
    c.lineWidth = 2;
    c.beginPath();
    c.arc(at(own[0], spots.xs, spots.columns), at(own[1], spots.ys, spots.rows), 5, 0, 7);
    c.stroke();
  }

  function drawLine(c, field, places, top, width, height, own) {
    const at = places ? places.at : Float32Array.from(field, (_, k) => k);
    const low = Math.min(...at), high = Math.max(...at), n = field.length;
    const scale = (x) => ((x - low) / (high - low || 1)) * (width - width / n) + width / n / 2;
    c.fillStyle = colour("tint");
    c.fillRect(0, 0, width, height);
    c.fillStyle = colour("grid");
    c.fillRect(0, height / 2, width, 1);
    for (let k = 0; k < n; k++) {
      const bar = (field[k] / top) * (height / 2 - 4);
      c.fillStyle = colour(bar > 0 ? "positive" : "negative");
      const thick = Math.max(1, (width / n) * 0.75);
      c.fillRect(scale(at[k]) - thick / 2, height / 2 - Math.max(bar, 0), thick, Math.abs(bar));
    }
    if (!own) return;
    c.fillStyle = colour("ink");
    const x = scale(own[0]);
    c.beginPath();
    c.moveTo(x, height - 9), c.lineTo(x - 5, height), c.lineTo(x + 5, height);
    c.fill();
  }

  function activity(n) {
    const values = moment().activity;
    if (!values) return;
    const N = neurons.ids.length, L = values.length / N;
    const sizes = Array.from({ length: L }, (_, l) => values[l * N + n]), top = Math.max(...sizes, 1e-30);
    host.append(el("h3", {}, "Mean |activity| at each iteration"));
    sizes.forEach((size, l) => {
      const fill = el("span", { class: "fill", style: { width: `${(100 * size) / top}%` } });
      host.append(el("div", { class: "depth" }, el("span", {}, `${l}`), el("span", { class: "track" }, fill), el("span", { class: "n" }, number(size))));
    });
  }

  function links(title, v, edges, ends) {
    const { g, alive } = graph.present();
    const kept = Array.from(edges).filter((e) => alive[ends[e]]).sort((a, b) => Math.abs(g.weight[b]) - Math.abs(g.weight[a]));
    if (!kept.length) return;
    const top = Math.abs(g.weight[kept[0]]);
    host.append(el("h3", {}, `${title} (${kept.length > MOST ? `strongest ${MOST} of ${count(kept.length)}` : kept.length})`));
    const list = el("ul", { class: "links" });
    for (const e of kept.slice(0, MOST)) {
      const u = ends[e], name = g.layer[u] === 0 ? "input" : g.layer[u] === graph.present().last ? "output" : `layer ${g.layer[u]}`;
      const go = el("button", { type: "button", onclick: () => select(g.neuron[u], g.iteration[u]) }, `${neurons.ids[g.neuron[u]]} · ${name}`);
      const hue = `var(--${g.weight[e] > 0 ? "positive" : "negative"})`;
      const fill = el("span", { class: "fill", style: { width: `${(100 * Math.abs(g.weight[e])) / top}%`, background: hue } });
      list.append(el("li", {}, go, el("span", { class: "track" }, fill), el("span", { class: "value" }, signed(g.weight[e]))));
    }
    host.append(list);
  }

  watchers.selected.push(draw);
  watchers.moment.push(draw);
  watchers.level.push(draw);
  redraws.push(draw);
})();
