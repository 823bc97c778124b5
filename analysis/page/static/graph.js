// The effective graph in layers. Hover or arrow keys light a neuron's paths, a click or Enter
// selects it.
const graph = (() => {
  const host = $("graph");
  const base = sheetOf(host);
  const over = sheetOf(host);
  const marks = sheetOf(host); // apart, for it costs nothing to draw them again
  const MANY = 1500; // edges from which on they are poured, not stroked
  const CROWD = 300; // edges between two layers from which on each gets less ink, else they blot
  const MOST_NAMES = 9; // layers that are named in full
  const MARGIN = { left: 26, right: 26, top: 16, bottom: 44 }; // around the neurons, in pixels
  let now = null; // what is drawn of the snapshot and level that are shown, see `prepare`
  let hovered = -1; // a node, or -1

  // ---- what is drawn

  function prepare() {
    const g = snapshot().graph;
    hovered = -1;
    now = null;
    if (!g || level().status === "disconnected") return;

    const m = countAbove(g.weakest, level().threshold);
    const into = adjacency(g.target, g.neuron.length, m);
    const out = adjacency(g.source, g.neuron.length, m);
    const last = Math.max(...g.layer);
    const used = usedNodes(g, into, out, last);
    const edges = [];
    let squares = 0;
    for (let e = 0; e < m; e++) {
      if (!used[g.source[e]] || !used[g.target[e]]) continue;
      edges.push(e);
      squares += g.weight[e] ** 2;
    }
    if (!edges.length) return;

    const scale = 2 * Math.sqrt(squares / Math.max(1, edges.length)) || 1;
    const isEnd = (v) => g.layer[v] === 0 || g.layer[v] === last;
    const nameOf = (v) => {
      if (!isEnd(v)) return `layer ${g.layer[v]}`;
      return g.layer[v] === 0 ? "input" : "output";
    };
    now = { g, into, out, used, edges, last, scale, isEnd, nameOf };
    now.times = timesUsed();
    layOut();
  }

  /** Lists of the first m edges at every one of n nodes. */
  function adjacency(ends, n, m) {
    const first = new Uint32Array(n + 1);
    for (let e = 0; e < m; e++) first[ends[e] + 1]++;
    for (let v = 0; v < n; v++) first[v + 1] += first[v];

    const list = new Uint32Array(m);
    const next = first.slice();
    for (let e = 0; e < m; e++) list[next[ends[e]]++] = e;
    return { of: (v) => list.subarray(first[v], first[v + 1]) };
  }

  /** 1 for every node on a path from an input to an output. */
  function usedNodes(g, into, out, last) {
    const n = g.neuron.length;
    const fed = new Uint8Array(n);
    const heard = new Uint8Array(n);
    // Nodes come by iteration, so each direction takes a single pass.
    for (let v = 0; v < n; v++) {
      fed[v] = g.layer[v] === 0 || into.of(v).some((e) => fed[g.source[e]]) ? 1 : 0;
    }
    for (let v = n - 1; v >= 0; v--) {
      heard[v] = g.layer[v] === last || out.of(v).some((e) => heard[g.target[e]]) ? 1 : 0;
    }
    const joined = (v) => into.of(v).length || out.of(v).length;
    return fed.map((isFed, v) => (isFed && heard[v] && joined(v) ? 1 : 0));
  }

  /** At how many iterations each neuron is used as a hidden one. */
  function timesUsed() {
    const { g, used, isEnd } = now;
    const times = new Map();
    for (let v = 0; v < used.length; v++) {
      if (used[v] && !isEnd(v)) times.set(g.neuron[v], (times.get(g.neuron[v]) || 0) + 1);
    }
    return times;
  }

  /** Columns of nodes and the point of each, for the present size of the picture. */
  function layOut() {
    const { g, used, last } = now;
    const width = host.clientWidth;
    const height = host.clientHeight;
    const columns = Array.from({ length: last + 1 }, () => []);
    for (let v = 0; v < used.length; v++) if (used[v]) columns[g.layer[v]].push(v);

    const x = new Float32Array(used.length);
    const y = new Float32Array(used.length);
    const across = width - MARGIN.left - MARGIN.right;
    const room = height - MARGIN.top - MARGIN.bottom;
    columns.forEach((column, k) => {
      // Neurons lie in the common order, so that a neuron stays about where it is over training.
      column.sort((a, b) => g.neuron[a] - g.neuron[b] || g.iteration[a] - g.iteration[b]);
      const gap = column.length > 1 ? Math.min(room / (column.length - 1), 30) : 0;
      column.forEach((v, i) => {
        x[v] = MARGIN.left + (across * k) / Math.max(last, 1);
        y[v] = MARGIN.top + room / 2 + (i - (column.length - 1) / 2) * gap;
      });
    });

    const fullest = Math.max(...columns.map((column) => column.length), 2);
    const radius = Math.min(6, Math.max(1.6, (0.42 * room) / fullest));
    Object.assign(now, { columns, x, y, radius, height, room });
  }

  // ---- edges

  /** How far a skip bows out, round the layers between. */
  function bow(e) {
    const { g, y, room } = now;
    const s = g.source[e];
    const t = g.target[e];
    const span = g.layer[t] - g.layer[s];
    if (span <= 1) return 0;
    const up = y[s] + y[t] < 2 * MARGIN.top + room;
    return (up ? -1 : 1) * (24 + 14 * span);
  }

  /** An edge as part of the current path: a soft curve. */
  function trace(c, e) {
    const { g, x, y } = now;
    const s = g.source[e];
    const t = g.target[e];
    const third = (x[t] - x[s]) / 3;
    const out = bow(e);
    c.moveTo(x[s], y[s]);
    c.bezierCurveTo(x[s] + third, y[s] + out, x[t] - third, y[t] + out, x[t], y[t]);
  }

  const strength = (e) => Math.tanh(Math.abs(now.g.weight[e]) / now.scale);

  /** Edges drawn, weak ones down to the share `floor` of the ink of strong ones. */
  function drawEdges(surface, edges, floor) {
    if (edges.length > MANY) pour(surface, edges, floor);
    else stroke(surface.context, edges, floor);
  }

  /** Many edges: ink is added up pixel by pixel, some ten times as fast as strokes, and no order
   *  hides one sign under another. */
  function pour({ context, width, height, ratio }, edges, floor) {
    const columns = Math.round(width * ratio);
    const rows = Math.round(height * ratio);
    if (!columns || !rows) return; // in a frame that has no place on its page yet
    const positive = new Float32Array(columns * rows);
    const negative = new Float32Array(columns * rows);
    const share = shareOfInk(edges);
    for (const e of edges) {
      const ink = share(e) * (floor + (1 - floor) * strength(e));
      pourEdge(now.g.weight[e] > 0 ? positive : negative, columns, rows, ratio, e, ink);
    }

    const image = new ImageData(columns, rows);
    const P = rgb(colour("positive"));
    const N = rgb(colour("negative"));
    for (let k = 0; k < columns * rows; k++) {
      const sum = positive[k] + negative[k];
      if (!sum) continue;
      const mix = positive[k] / sum;
      for (let i = 0; i < 3; i++) image.data[4 * k + i] = N[i] + (P[i] - N[i]) * mix;
      image.data[4 * k + 3] = 255 * (1 - Math.exp(-sum));
    }
    context.putImageData(image, 0, 0);
  }

  /** The share of full ink that each edge gets, less in crowds. */
  function shareOfInk(edges) {
    const { g, last } = now;
    const between = (e) => g.layer[g.source[e]] * (last + 1) + g.layer[g.target[e]];
    const ink = new Float64Array((last + 1) ** 2);
    for (const e of edges) ink[between(e)]++;
    ink.forEach((n, k) => (ink[k] = Math.min(1, (CROWD / n) ** 0.75)));
    return (e) => ink[between(e)];
  }

  /** Add the ink of an edge to a buffer of pixels, column by column along its curve. */
  function pourEdge(buffer, columns, rows, ratio, e, ink) {
    const { g, x, y } = now;
    const s = g.source[e];
    const t = g.target[e];
    const first = Math.round(x[s] * ratio);
    const n = Math.max(1, Math.round(x[t] * ratio) - first);
    const from = y[s] * ratio - 0.5;
    const rise = (y[t] - y[s]) * ratio;
    const out = 3 * bow(e) * ratio;

    let before = from;
    for (let k = 1; k <= n; k++) {
      const u = k / n;
      const at = from + rise * u * u * (3 - 2 * u) + out * u * (1 - u); // the curve of `trace`
      const a = Math.max(0, before < at ? before : at);
      const b = Math.min(rows - 1, (before < at ? at : before) + 1);
      let pixel = Math.floor(a) * columns + first + k - 1;
      for (let row = Math.floor(a); row < b; row++, pixel += columns) {
        buffer[pixel] += ink * ((row + 1 < b ? row + 1 : b) - (row > a ? row : a));
      }
      before = at;
    }
  }

  /** Few edges: by sign and strength, weak ones first. */
  function stroke(c, edges, floor) {
    const BINS = 7;
    const bins = Array.from({ length: 2 * BINS }, () => []);
    for (const e of edges) {
      const bin = Math.min(BINS - 1, Math.floor(strength(e) * BINS));
      bins[2 * bin + (now.g.weight[e] > 0 ? 1 : 0)].push(e);
    }

    const hues = [colour("negative"), colour("positive")];
    bins.forEach((bin, k) => {
      if (!bin.length) return;
      const s = (Math.floor(k / 2) + 0.5) / BINS;
      c.globalAlpha = floor + (1 - floor) * s;
      c.lineWidth = 0.5 + 1.3 * s;
      c.strokeStyle = hues[k % 2];
      c.beginPath();
      for (const e of bin) trace(c, e);
      c.stroke();
    });
    c.globalAlpha = 1;
  }

  // ---- nodes and names

  function circle(c, v, radius) {
    c.beginPath();
    c.arc(now.x[v], now.y[v], radius, 0, 7);
  }

  function drawDots(c, nodes) {
    const { g, radius, times, isEnd } = now;
    const end = colour("accent");
    const hidden = colour("node");
    const again = colour("again");
    const card = colour("card");
    for (const v of nodes) {
      circle(c, v, radius);
      c.fillStyle = isEnd(v) ? end : hidden;
      c.fill();
      c.strokeStyle = card;
      c.lineWidth = 1;
      c.stroke();
      if (isEnd(v) || !(times.get(g.neuron[v]) > 1)) continue;

      circle(c, v, radius * 1.3);
      c.strokeStyle = again;
      c.lineWidth = Math.min(2, radius * 0.6);
      c.stroke();
    }
  }

  /** A neuron that is silenced: a cross on the colour of the card. */
  function drawCross(c, v) {
    const { x, y, radius } = now;
    const arm = Math.max(3, radius);
    circle(c, v, arm + 1);
    c.fillStyle = colour("card");
    c.fill();
    c.strokeStyle = colour("negative");
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(x[v] - arm, y[v] - arm);
    c.lineTo(x[v] + arm, y[v] + arm);
    c.moveTo(x[v] - arm, y[v] + arm);
    c.lineTo(x[v] + arm, y[v] - arm);
    c.stroke();
  }

  /** Names and sizes of the layers below their columns; not of all where there are many. */
  function drawNames(c) {
    const { columns, last, x, height } = now;
    const crowded = last > MOST_NAMES;
    const every = Math.ceil(last / MOST_NAMES);
    c.fillStyle = colour("muted");
    columns.forEach((column, k) => {
      if (!column.length || (crowded && k % every && k !== last)) return;

      let name = crowded ? `${k}` : `layer ${k}`;
      let at = x[column[0]];
      c.textAlign = "center";
      if (k === 0) {
        name = "inputs";
        at -= 22;
        c.textAlign = "left";
      } else if (k === last) {
        name = "outputs";
        at += 22;
        c.textAlign = "right";
      }
      c.fillText(name, at, height - 22);
      c.fillText(count(column.length), at, height - 7);
    });
    c.textAlign = "left";
  }

  function draw() {
    if (now) layOut();
    const surface = base.begin();
    if (!now) {
      drawNothing(surface);
    } else {
      drawEdges(surface, now.edges, 0.08);
      drawDots(surface.context, now.columns.flat());
      const { total } = now.g;
      const n = now.g.weight.length;
      const cut = total > n ? `, from the ${count(n)} strongest of ${count(total)}` : "";
      $("graph-note").textContent = `${count(now.edges.length)} edges drawn${cut}`;
    }
    drawOver();
    drawMarks();
  }

  /** The reason why there is no graph. */
  function drawNothing({ context, width, height }) {
    const unknown = level().status === undefined && !snapshot().graph;
    const words = unknown ? whyNotJudged() : "No path leads from an input to an output here.";
    context.fillStyle = colour("muted");
    context.textAlign = "center";
    context.font = "15px system-ui, sans-serif";
    context.fillText(words, width / 2, height / 2);
    context.textAlign = "left";
    $("graph-note").textContent = "";
  }

  // ---- highlights

  /** The nodes and edges on the paths through a node. */
  function paths(v) {
    const { g, into, out, used } = now;
    const nodes = new Set([v]);
    const edges = [];
    for (const [lists, far] of [
      [into, g.source],
      [out, g.target],
    ]) {
      const queue = [v];
      const reached = new Set(queue);
      while (queue.length) {
        for (const e of lists.of(queue.pop())) {
          const u = far[e];
          if (!used[u]) continue;
          edges.push(e);
          if (reached.has(u)) continue;
          reached.add(u);
          queue.push(u);
        }
      }
      for (const u of reached) nodes.add(u);
    }
    return { nodes, edges };
  }

  /** The node that stands for the selection at this snapshot, or -1. */
  function selectedNode() {
    if (!now || !state.selected) return -1;

    const { g, used } = now;
    const { neuron, iteration } = state.selected;
    let node = -1;
    for (let v = 0; v < used.length; v++) {
      if (!used[v] || g.neuron[v] !== neuron) continue;
      if (node < 0 || g.iteration[v] === iteration) node = v;
    }
    return node;
  }

  /** The node whose paths are lit, or -1. */
  const litNode = () => (hovered >= 0 ? hovered : selectedNode());

  function drawOver() {
    const surface = over.begin();
    const c = surface.context;
    const lit = litNode();
    base.canvas.style.opacity = lit >= 0 ? 0.16 : 1;
    if (lit < 0) {
      if (now) drawNames(c);
      return;
    }

    const { nodes, edges } = paths(lit);
    drawEdges(surface, edges, 0.25);
    drawNames(c);
    drawDots(c, nodes);

    // Rings around the same neuron at all its iterations.
    const { g, radius, used } = now;
    c.lineWidth = 2;
    for (let v = 0; v < used.length; v++) {
      if (!used[v] || g.neuron[v] !== g.neuron[lit]) continue;
      c.strokeStyle = colour(v === lit ? "ink" : "again");
      circle(c, v, radius + 3.5);
      c.stroke();
    }
  }

  /** Rings around the neurons of the group that is lit, crosses over those that are silenced. */
  function drawMarks() {
    const { context: c } = marks.begin();
    if (!now) return;

    const { g, radius, used } = now;
    const ids = litIds();
    for (let v = 0; v < used.length; v++) {
      if (!used[v]) continue;
      const id = neurons.ids[g.neuron[v]];
      if (state.silenced.has(id)) drawCross(c, v);
      if (!ids.has(id)) continue;
      c.strokeStyle = colour("accent");
      c.lineWidth = 2;
      circle(c, v, radius + 2);
      c.stroke();
    }
  }

  /** The node under a point, within some pixels; or -1. */
  function nearest(x, y) {
    if (!now) return -1;

    let best = -1;
    let least = Math.max(9, 2 * now.radius) ** 2;
    for (let v = 0; v < now.used.length; v++) {
      const distance = (now.x[v] - x) ** 2 + (now.y[v] - y) ** 2;
      if (!now.used[v] || distance >= least) continue;
      best = v;
      least = distance;
    }
    return best;
  }

  function describe(v) {
    const { g, into, out, used, nameOf } = now;
    const nIn = into.of(v).filter((e) => used[g.source[e]]).length;
    const nOut = out.of(v).filter((e) => used[g.target[e]]).length;
    const name = `neuron ${neurons.ids[g.neuron[v]]} · ${nameOf(v)} · iteration ${g.iteration[v]}`;
    return `${name}\n${count(nIn)} in, ${count(nOut)} out`;
  }

  function light(v) {
    if (v === hovered) return;

    hovered = v;
    drawOver();
    if (v < 0) return hideTip();

    const box = host.getBoundingClientRect();
    showTip(describe(v), box.left + now.x[v], box.top + now.y[v]);
  }

  /** The node that an arrow key leads to: along its column, or to the nearest of the next one. */
  function neighbour(key) {
    const from = litNode();
    const { columns, g, y } = now;
    if (from < 0) return columns.flat()[0] ?? -1;

    const k = g.layer[from];
    const column = columns[k];
    const i = column.indexOf(from);
    if (key === "ArrowUp") return column[Math.max(0, i - 1)];
    if (key === "ArrowDown") return column[Math.min(column.length - 1, i + 1)];

    const step = key === "ArrowRight" ? 1 : -1;
    let next = k + step;
    while (columns[next] && !columns[next].length) next += step;
    if (!columns[next]) return from;
    const apart = (v) => Math.abs(y[v] - y[from]);
    return columns[next].reduce((best, v) => (apart(v) < apart(best) ? v : best));
  }

  // ---- events

  const silencesOnClick = () => run !== null && $("click").value === "silences";

  const selectNode = (v) => select(now.g.neuron[v], now.g.iteration[v]);

  host.addEventListener("pointermove", (event) => light(nearest(...within(event, host))));
  host.addEventListener("pointerleave", () => light(-1));
  host.addEventListener("click", (event) => {
    const v = nearest(...within(event, host));
    if (v >= 0 && silencesOnClick()) silence([neurons.ids[now.g.neuron[v]]]);
    else if (v < 0) select(null);
    else selectNode(v);
  });

  host.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow") && now) {
      light(neighbour(event.key));
    } else if (event.key === "Enter" && hovered >= 0) {
      selectNode(hovered);
    } else if (event.key.toLowerCase() === "s" && run && plainKey(event) && litNode() >= 0) {
      silence([neurons.ids[now.g.neuron[litNode()]]]);
    } else if (event.key === "Escape") {
      light(-1);
      select(null);
    } else {
      return;
    }
    event.preventDefault();
  });
  host.addEventListener("blur", () => light(-1));

  function renew() {
    prepare();
    draw();
  }
  observers.snapshot.push(renew);
  observers.level.push(renew);
  observers.selected.push(drawOver);
  observers.silenced.push(drawMarks);
  observers.groups.push(drawMarks);
  redraws.push(draw);
  return { selectedNode, current: () => now };
})();
