// The effective graph in layers. Hover or arrow keys light a neuron's paths, a click or Enter holds them.
const graph = (() => {
  const host = $("graph");
  const base = layerOf(host), over = layerOf(host);
  const MANY = 1500; // edges from which on they are poured, not stroked
  const CROWD = 300; // edges between two layers from which on each gets less ink, or they would make a solid bar
  let now = null; // arrays of the present moment and level, see `prepare`
  let hovered = -1;

  function prepare() {
    const g = moment().graph;
    hovered = -1;
    if (!g || level().status !== "ok") return (now = null);
    const n = g.neuron.length, m = countAbove(g.weakest, level().threshold);
    const into = adjacency(g.target, n, m), out = adjacency(g.source, n, m);
    const last = Math.max(...g.layer);
    const fed = new Uint8Array(n), heard = new Uint8Array(n); // nodes come by iteration, so one pass each way is enough
    for (let v = 0; v < n; v++) fed[v] = g.layer[v] === 0 || into.of(v).some((e) => fed[g.source[e]]) ? 1 : 0;
    for (let v = n - 1; v >= 0; v--) heard[v] = g.layer[v] === last || out.of(v).some((e) => heard[g.target[e]]) ? 1 : 0;
    const alive = fed.map((x, v) => (x && heard[v] && (into.of(v).length || out.of(v).length) ? 1 : 0));
    const edges = [];
    let squares = 0;
    for (let e = 0; e < m; e++) {
      if (!alive[g.source[e]] || !alive[g.target[e]]) continue;
      edges.push(e);
      squares += g.weight[e] ** 2;
    }
    const times = new Map();
    for (let v = 0; v < n; v++) {
      if (alive[v] && g.layer[v] > 0 && g.layer[v] < last) times.set(g.neuron[v], (times.get(g.neuron[v]) || 0) + 1);
    }
    now = { g, into, out, alive, edges, last, times, scale: 2 * Math.sqrt(squares / Math.max(1, edges.length)) || 1 };
    place();
  }

  /** Lists of the first m edges at every node. */
  function adjacency(ends, n, m) {
    const first = new Uint32Array(n + 1), list = new Uint32Array(m);
    for (let e = 0; e < m; e++) first[ends[e] + 1]++;
    for (let v = 0; v < n; v++) first[v + 1] += first[v];
    const next = first.slice();
    for (let e = 0; e < m; e++) list[next[ends[e]]++] = e;
    return { of: (v) => list.subarray(first[v], first[v + 1]) };
  }

  function place() {
    const { g, alive, last } = now, width = host.clientWidth, height = host.clientHeight;
    const columns = Array.from({ length: last + 1 }, () => []);
    for (let v = 0; v < alive.length; v++) if (alive[v]) columns[g.layer[v]].push(v);
    const x = new Float32Array(alive.length), y = new Float32Array(alive.length);
    const left = 26, right = 26, top = 16, bottom = 44, room = height - top - bottom;
    const fullest = Math.max(...columns.map((column) => column.length), 2);
    columns.forEach((column, k) => {
      // Neurons lie in the common order, so that a neuron stays about where it is over training.
      column.sort((a, b) => g.neuron[a] - g.neuron[b] || g.iteration[a] - g.iteration[b]);
      const gap = column.length > 1 ? Math.min(room / (column.length - 1), 30) : 0;
      column.forEach((v, i) => {
        x[v] = left + ((width - left - right) * k) / Math.max(last, 1);
        y[v] = top + room / 2 + (i - (column.length - 1) / 2) * gap;
      });
    });
    Object.assign(now, { columns, x, y, radius: Math.min(6, Math.max(1.6, (0.42 * room) / fullest)), width, height, room, top });
  }

  /** How far a skip bows out, round the layers between. */
  function bow(e) {
    const { g, y, top, room } = now, s = g.source[e], t = g.target[e], span = g.layer[t] - g.layer[s];
    return span <= 1 ? 0 : (y[s] + y[t] < 2 * top + room ? -1 : 1) * (24 + 14 * span);
  }

  /** One edge as part of the current path: a soft curve. */
  function trace(c, e) {
    const { g, x, y } = now, s = g.source[e], t = g.target[e], third = (x[t] - x[s]) / 3, out = bow(e);
    c.moveTo(x[s], y[s]);
    c.bezierCurveTo(x[s] + third, y[s] + out, x[t] - third, y[t] + out, x[t], y[t]);
  }

  const strength = (e) => Math.tanh(Math.abs(now.g.weight[e]) / now.scale);

  /** Edges drawn, weak ones down to the share `floor` of the ink of strong ones. */
  function drawEdges({ context, width, height, ratio }, edges, floor) {
    if (edges.length > MANY) pour(context, Math.round(width * ratio), Math.round(height * ratio), ratio, edges, floor);
    else stroke(context, edges, floor);
  }

  /** Many edges: ink is added up pixel by pixel, some ten times as fast as strokes, and no order hides one sign under another. */
  function pour(c, W, H, ratio, edges, floor) {
    const { g, x, y } = now, density = [new Float32Array(W * H), new Float32Array(W * H)];
    const between = (e) => g.layer[g.source[e]] * (now.last + 1) + g.layer[g.target[e]];
    const ink = new Float64Array((now.last + 1) ** 2);
    for (const e of edges) ink[between(e)]++;
    ink.forEach((n, k) => (ink[k] = Math.min(1, (CROWD / n) ** 0.75)));
    for (const e of edges) {
      const s = g.source[e], t = g.target[e], w = ink[between(e)] * (floor + (1 - floor) * strength(e)), buffer = density[g.weight[e] > 0 ? 0 : 1];
      const first = Math.round(x[s] * ratio), n = Math.max(1, Math.round(x[t] * ratio) - first);
      const from = y[s] * ratio - 0.5, rise = (y[t] - y[s]) * ratio, out = 3 * bow(e) * ratio;
      let before = from;
      for (let k = 1; k <= n; k++) {
        const u = k / n, at = from + rise * u * u * (3 - 2 * u) + out * u * (1 - u); // the same curve as `trace`
        const a = Math.max(0, before < at ? before : at), b = Math.min(H - 1, (before < at ? at : before) + 1);
        let place = Math.floor(a) * W + first + k - 1;
        for (let row = Math.floor(a); row < b; row++, place += W) {
          buffer[place] += w * ((row + 1 < b ? row + 1 : b) - (row > a ? row : a));
        }
        before = at;
      }
    }
    const image = new ImageData(W, H), pixels = image.data;
    const [P, N] = ["positive", "negative"].map((name) => [1, 3, 5].map((k) => parseInt(colour(name).slice(k, k + 2), 16)));
    for (let k = 0; k < W * H; k++) {
      const sum = density[0][k] + density[1][k];
      if (!sum) continue;
      const share = density[0][k] / sum;
      for (let i = 0; i < 3; i++) pixels[4 * k + i] = N[i] + (P[i] - N[i]) * share;
      pixels[4 * k + 3] = 255 * (1 - Math.exp(-sum));
    }
    c.putImageData(image, 0, 0);
  }

  /** Few edges: by sign and strength, weak ones first. */
  function stroke(c, edges, floor) {
    const BINS = 7, bins = Array.from({ length: 2 * BINS }, () => []);
    for (const e of edges) bins[2 * Math.min(BINS - 1, Math.floor(strength(e) * BINS)) + (now.g.weight[e] > 0 ? 1 : 0)].push(e);
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

  function dots(c, nodes) {
    const { g, x, y, radius, last, times } = now;
    const fills = { end: colour("accent"), hidden: colour("node"), again: colour("again"), card: colour("card") };
    for (const v of nodes) {
      const end = g.layer[v] === 0 || g.layer[v] === last;
      c.beginPath();
      c.arc(x[v], y[v], radius, 0, 7);
      c.fillStyle = end ? fills.end : fills.hidden;
      c.fill();
      c.strokeStyle = fills.card;
      c.lineWidth = 1;
      c.stroke();
      if (times.get(g.neuron[v]) > 1 && !end) {
        c.beginPath();
        c.arc(x[v], y[v], radius * 1.3, 0, 7);
        c.strokeStyle = fills.again;
        c.lineWidth = Math.min(2, radius * 0.6);
        c.stroke();
      }
    }
  }

  function draw() {
    if (now) place();
    const surface = base.begin(), { context: c, width, height } = surface;
    const status = level().status;
    if (!now) {
      c.fillStyle = colour("muted");
      c.textAlign = "center";
      c.font = "15px system-ui, sans-serif";
      const why = status === undefined ? "Too many weights at this step to be judged." : "No path leads from an input to an output here.";
      c.fillText(why, width / 2, height / 2);
      c.textAlign = "left";
      $("graph-note").textContent = "";
      return drawOver();
    }
    drawEdges(surface, now.edges, 0.08);
    dots(c, now.columns.flat());
    const total = now.g.total, drawn = now.g.weight.length;
    const cut = total > drawn ? `, from the ${count(drawn)} strongest of ${count(total)}` : "";
    $("graph-note").textContent = `${count(now.edges.length)} edges drawn${cut}`;
    drawOver();
  }

  function drawNames(c) {
    const height = now.height, crowded = now.last > 9;
    c.fillStyle = colour("muted");
    now.columns.forEach((column, k) => {
      if (!column.length || (crowded && k % Math.ceil(now.last / 9) && k !== now.last)) return;
      const name = k === 0 ? "inputs" : k === now.last ? "outputs" : crowded ? `${k}` : `layer ${k}`;
      const x = now.x[column[0]];
      c.textAlign = k === 0 ? "left" : k === now.last ? "right" : "center";
      const shift = k === 0 ? -22 : k === now.last ? 22 : 0;
      c.fillText(name, x + shift, height - 22);
      c.fillText(count(column.length), x + shift, height - 7);
    });
    c.textAlign = "left";
  }

  /** The nodes and edges on the paths through a node. */
  function paths(v) {
    const { g, into, out, alive } = now, seen = new Set([v]), edges = [];
    for (const [lists, far] of [[into, g.source], [out, g.target]]) {
      const queue = [v];
      const met = new Set(queue);
      while (queue.length) {
        for (const e of lists.of(queue.pop())) {
          if (!alive[far[e]]) continue;
          edges.push(e);
          if (!met.has(far[e])) met.add(far[e]), queue.push(far[e]);
        }
      }
      for (const u of met) seen.add(u);
    }
    return { nodes: seen, edges };
  }

  /** The node that stands for the selection at this moment, or -1. */
  function selectedNode() {
    if (!now || !looking.selected) return -1;
    const { neuron, iteration } = looking.selected, { g, alive } = now;
    let found = -1;
    for (let v = 0; v < alive.length; v++) {
      if (alive[v] && g.neuron[v] === neuron && (found < 0 || g.iteration[v] === iteration)) found = v;
    }
    return found;
  }

  function drawOver() {
    const surface = over.begin(), c = surface.context;
    const lit = hovered >= 0 ? hovered : selectedNode();
    base.canvas.style.opacity = lit >= 0 ? 0.16 : 1;
    if (lit < 0) return now && drawNames(c);
    const { nodes, edges } = paths(lit);
    drawEdges(surface, edges, 0.25);
    drawNames(c);
    dots(c, nodes);
    const { g, x, y, radius, alive } = now;
    c.lineWidth = 2;
    for (let v = 0; v < alive.length; v++) { // the same neuron at other iterations
      if (!alive[v] || g.neuron[v] !== g.neuron[lit]) continue;
      c.strokeStyle = colour(v === lit ? "ink" : "again");
      c.beginPath();
      c.arc(x[v], y[v], radius + 3.5, 0, 7);
      c.stroke();
    }
  }

  function nearest(x, y) {
    if (!now) return -1;
    let best = -1, least = Math.max(9, 2 * now.radius) ** 2;
    for (let v = 0; v < now.alive.length; v++) {
      const distance = (now.x[v] - x) ** 2 + (now.y[v] - y) ** 2;
      if (now.alive[v] && distance < least) [best, least] = [v, distance];
    }
    return best;
  }

  function describe(v) {
    const { g, into, out, alive, last } = now;
    const into_n = into.of(v).filter((e) => alive[g.source[e]]).length, out_n = out.of(v).filter((e) => alive[g.target[e]]).length;
    const where = g.layer[v] === 0 ? "input" : g.layer[v] === last ? "output" : `layer ${g.layer[v]}`;
    return `neuron ${neurons.ids[g.neuron[v]]} · ${where} · iteration ${g.iteration[v]}\n${count(into_n)} in, ${count(out_n)} out`;
  }

  function light(v) {
    if (v === hovered) return;
    hovered = v;
    drawOver();
    if (v < 0) return hideTip();
    const box = host.getBoundingClientRect();
    showTip(describe(v), box.left + now.x[v], box.top + now.y[v]);
  }

  function step(key) {
    const from = hovered >= 0 ? hovered : selectedNode();
    if (from < 0) return now.columns.flat()[0] ?? -1;
    const k = now.g.layer[from], column = now.columns[k], i = column.indexOf(from);
    if (key === "ArrowUp") return column[Math.max(0, i - 1)];
    if (key === "ArrowDown") return column[Math.min(column.length - 1, i + 1)];
    let next = k;
    do next += key === "ArrowRight" ? 1 : -1;
    while (now.columns[next] && !now.columns[next].length);
    if (!now.columns[next]) return from;
    const apart = (v) => Math.abs(now.y[v] - now.y[from]);
    return now.columns[next].reduce((best, v) => (apart(v) < apart(best) ? v : best));
  }

  host.addEventListener("pointermove", (event) => light(nearest(...within(event, host))));
  host.addEventListener("pointerleave", () => light(-1));
  host.addEventListener("click", (event) => {
    const v = nearest(...within(event, host));
    if (v < 0) select(null);
    else select(now.g.neuron[v], now.g.iteration[v]);
  });
  host.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow") && now) light(step(event.key));
    else if (event.key === "Enter" && hovered >= 0) select(now.g.neuron[hovered], now.g.iteration[hovered]);
    else if (event.key === "Escape") light(-1), select(null);
    else return;
    event.preventDefault();
  });
  host.addEventListener("blur", () => light(-1));
  const renew = () => {
    prepare();
    draw();
  };
  watchers.moment.push(renew);
  watchers.level.push(renew);
  watchers.selected.push(drawOver);
  redraws.push(draw);
  return { selectedNode, present: () => now };
})();
