// |W| of the neurons in use, sorted by layer: zoom with the wheel, drag to move, values under the mouse or the arrow keys.
const matrix = (() => {
  const host = $("matrix");
  const base = layerOf(host), over = layerOf(host);
  const TOP = 66; // room for names
  let LEFT = 92, EDGE = 52;
  const SMALLEST_GROUP = 0.045; // of the side: room for the name of a layer of two neurons
  const SMALLEST_CELL = 2.6; // pixels: a lone weight that a reader still finds
  let groups = [], start, cell, order; // by neuron: where its row begins and how wide it is, on a side of length 1
  let view = { x: 0, y: 0, zoom: 1 };
  let side = 0, index = null, cursor = -1, ramp = [];

  function arrange() {
    const now = moment(), N = neurons.ids.length;
    const own = looking.sort === "own" && now.graph;
    const depth = (own ? now.levels[0].depth : Math.max(0, ...hiddenLayers(neurons.layer))) || 0;
    const found = new Map();
    for (let n = 0; n < N; n++) {
      if (now.layer[n] < 0) continue;
      const role = neurons.role[n];
      const layer = role === 1 ? (own ? now.layer[n] : neurons.layer[n]) : 0;
      const key = role === INPUT ? -1e6 : role === OUTPUT ? 1e7 : layer < 0 ? 1e6 : layer;
      if (!found.has(key)) found.set(key, { key, name: groupName(role, layer, depth), members: [] });
      found.get(key).members.push(n);
    }
    groups = [...found.values()].sort((a, b) => a.key - b.key);
    const total = groups.reduce((sum, group) => sum + group.members.length, 0);
    const widths = groups.map((group) => Math.max(group.members.length / total, Math.min(SMALLEST_GROUP, 0.5 / groups.length)));
    const scale = 1 / widths.reduce((sum, width) => sum + width, 0);
    start = new Float64Array(N).fill(-1);
    cell = new Float64Array(N);
    order = [];
    let at = 0;
    groups.forEach((group, k) => {
      group.from = at;
      const step = (widths[k] * scale) / group.members.length;
      for (const n of group.members) {
        start[n] = at;
        cell[n] = step;
        order.push(n);
        at += step;
      }
      group.to = at;
    });
    index = null;
    cursor = -1;
  }

  const hiddenLayers = (layers) => Array.from(layers).filter((layer, n) => neurons.role[n] === 1);

  /** Which weight lies between two neurons, by row * N + column. */
  function lookup() {
    if (!index) {
      index = new Map();
      const { to, from } = moment().weights;
      for (let e = 0; e < shown(); e++) index.set(to[e] * neurons.ids.length + from[e], e);
    }
    return index;
  }

  const shown = () => countAbove(moment().weights.value, level().threshold);
  const toX = (u) => LEFT + (u - view.x) * view.zoom * side;
  const toY = (u) => TOP + (u - view.y) * view.zoom * side;

  const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.trim().slice(k, k + 2), 16));
  const mix = (a, b, t) => a.map((x, i) => Math.round(x + (b[i] - x) * t));

  function shades() {
    const stops = colour("ramp").split(",").map(rgb);
    return Array.from({ length: 48 }, (_, k) => {
      const t = (k / 47) * (stops.length - 1), low = Math.min(Math.floor(t), stops.length - 2);
      return mix(stops[low], stops[low + 1], t - low);
    });
  }

  /** Shade of a weight: logarithmic over three decades below the largest of all moments. */
  const shade = (size) => Math.max(0, Math.min(47, Math.round(47 * (1 + Math.log10(size / data.largest) / 3))));

  /** The blocks and weights as pixels: twenty thousand rectangles of a canvas would take ten times as long. */
  function paint(ratio, n) {
    const P = Math.max(1, Math.round(side * ratio)), image = new ImageData(P, P), pixels = new Uint32Array(image.data.buffer);
    const { to, from, value, used } = moment().weights, scale = view.zoom * P, graph = moment().graph;
    const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    const fill = (x0, y0, x1, y1, shade) => {
      const left = Math.max(0, Math.round(x0)), right = Math.min(P, Math.max(Math.round(x1), Math.round(x0) + 1));
      const bottom = Math.min(P, Math.max(Math.round(y1), Math.round(y0) + 1));
      if (left >= right) return;
      for (let y = Math.max(0, Math.round(y0)); y < bottom; y++) pixels.fill(shade, y * P + left, y * P + right);
    };
    const x = (u) => (u - view.x) * scale, y = (u) => (u - view.y) * scale;
    const groupOf = new Map(groups.flatMap((group) => group.members.map((member) => [member, group])));
    const blocks = new Map();
    for (let e = 0; e < n; e++) {
      if (graph && !used[e]) continue;
      const row = groupOf.get(to[e]), column = groupOf.get(from[e]);
      blocks.set(row.key * 1e8 + column.key, [row, column]);
    }
    const tint = packed(rgb(colour("tint"))), card = rgb(colour("card"));
    for (const [row, column] of blocks.values()) fill(x(column.from), y(row.from), x(column.to), y(row.to), tint);
    const mean = scale / Math.max(1, order.length), least = n > 0.3 * order.length ** 2 ? mean : SMALLEST_CELL * ratio;
    for (const pass of [0, 1]) { // weights that no path uses lie below, paler
      const inks = ramp.map((ink) => packed(pass || !graph ? ink : mix(card, ink, 0.28)));
      for (let e = n - 1; e >= 0; e--) {
        if (used[e] !== pass) continue;
        const w = cell[from[e]] * scale, h = cell[to[e]] * scale;
        const X = x(start[from[e]]) - Math.max(0, least - w) / 2, Y = y(start[to[e]]) - Math.max(0, least - h) / 2;
        fill(X, Y, X + Math.max(w, least), Y + Math.max(h, least), inks[shade(Math.abs(value[e]))]);
      }
    }
    return image;
  }

  function draw() {
    const { context: c, width, height, ratio } = base.begin();
    [LEFT, EDGE] = width < 420 ? [76, 34] : [92, 52];
    side = Math.max(40, Math.min(width - LEFT - EDGE, height - TOP - 4));
    ramp = shades();
    drawRamp();
    const n = shown();
    c.putImageData(paint(ratio, n), Math.round(LEFT * ratio), Math.round(TOP * ratio));
    c.save();
    c.beginPath();
    c.rect(LEFT - 1, TOP - 1, side + 2, side + 2);
    c.clip();
    c.strokeStyle = colour("grid");
    c.lineWidth = 1;
    c.beginPath();
    for (const u of groups.length ? [0, ...groups.map((group) => group.to)] : []) {
      const x = Math.round(toX(u)) + 0.5, y = Math.round(toY(u)) + 0.5;
      c.moveTo(x, TOP), c.lineTo(x, TOP + side), c.moveTo(LEFT, y), c.lineTo(LEFT + side, y);
    }
    c.stroke();
    c.restore();
    drawNames(c);
    drawOver();
    $("matrix-note").textContent = note(n);
  }

  function note(n) {
    const now = moment(), total = now.weights.total;
    if (!order.length) return "No weights are left.";
    const parts = [`${count(order.length)} neurons; row: to, column: from.`];
    if (n === now.weights.value.length && total > n) parts.push(`The ${count(n)} strongest of ${count(total)} weights are drawn.`);
    if (now.graph) parts.push("Pale: weights that no path from an input to an output uses.");
    else if (looking.moment < data.moments.length - 1) parts.push("Neurons that are in use at the end.");
    return parts.join(" ");
  }

  function drawRamp() {
    const c = $("ramp").getContext("2d");
    ramp.forEach((ink, k) => {
      c.fillStyle = `rgb(${ink.join(" ")})`;
      c.fillRect(k * 2, 0, 2, 10);
    });
    $("ramp-text").textContent = `|weight| ${number(data.largest, 2)}`;
  }

  function drawNames(c) {
    c.fillStyle = colour("muted");
    let lastX = -1e9, lastY = -1e9;
    for (const group of groups) {
      const name = `${group.name} ${group.members.length}`;
      const low = Math.max(group.from, view.x), high = Math.min(group.to, view.x + 1 / view.zoom);
      const x = toX((low + high) / 2);
      if (high > low && x - lastX > 20) {
        c.save();
        c.translate(x, TOP - 7);
        c.rotate(-0.6);
        c.textAlign = "left";
        c.fillText(name, 0, 0);
        c.restore();
        lastX = x;
      }
      const top = Math.max(group.from, view.y), bottom = Math.min(group.to, view.y + 1 / view.zoom);
      const y = toY((top + bottom) / 2);
      if (bottom > top && y - lastY > 12) {
        c.textAlign = "right";
        c.fillText(name, LEFT - 7, y + 4, LEFT - 10);
        lastY = y;
      }
    }
    c.textAlign = "left";
  }

  function drawOver() {
    const { context: c } = over.begin();
    c.save();
    c.beginPath();
    c.rect(LEFT, TOP, side, side);
    c.clip();
    const scale = view.zoom * side;
    if (looking.selected && start[looking.selected.neuron] >= 0) {
      const n = looking.selected.neuron, thick = Math.max(cell[n] * scale, 2);
      c.fillStyle = colour("accent");
      c.globalAlpha = 0.22;
      c.fillRect(LEFT, toY(start[n]), side, thick);
      c.fillRect(toX(start[n]), TOP, thick, side);
      c.globalAlpha = 1;
    }
    if (cursor >= 0) {
      const { to, from } = moment().weights, w = cell[from[cursor]] * scale, h = cell[to[cursor]] * scale;
      const x = toX(start[from[cursor]]) + w / 2, y = toY(start[to[cursor]]) + h / 2;
      c.strokeStyle = colour("accent");
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(LEFT, y), c.lineTo(LEFT + side, y), c.moveTo(x, TOP), c.lineTo(x, TOP + side);
      c.stroke();
      c.lineWidth = 2;
      c.strokeRect(x - Math.max(w, 7) / 2, y - Math.max(h, 7) / 2, Math.max(w, 7), Math.max(h, 7));
    }
    c.restore();
  }

  /** The neuron at a place on the side, by bisection of `order`. */
  function neuronAt(u) {
    if (u < 0 || u >= 1 || !order.length) return -1;
    let low = 0, high = order.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (start[order[middle]] <= u) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The strongest weight within two pixels of a place, or -1. */
  function find(x, y) {
    if (x < LEFT || y < TOP || x > LEFT + side || y > TOP + side) return -1;
    const scale = view.zoom * side, reach = 2 / scale;
    const u = (x - LEFT) / scale + view.x, v = (y - TOP) / scale + view.y;
    const clamp = (t) => Math.min(Math.max(t, 0), 1 - 1e-9);
    let best = -1;
    for (let r = neuronAt(clamp(v - reach)); r <= neuronAt(clamp(v + reach)); r++) {
      for (let k = neuronAt(clamp(u - reach)); k <= neuronAt(clamp(u + reach)); k++) {
        const e = lookup().get(order[r] * neurons.ids.length + order[k]);
        if (e !== undefined && (best < 0 || e < best)) best = e; // strongest first
      }
    }
    return best;
  }

  function describe(e) {
    const { to, from, value, used } = moment().weights;
    const named = (n) => `${neurons.ids[n]} (${groups.find((group) => group.members.includes(n)).name})`;
    const unused = moment().graph && !used[e] ? "\nnot on any path from an input to an output" : "";
    return `from ${named(from[e])} to ${named(to[e])}\nweight ${signed(value[e])}${unused}`;
  }

  function point(e) {
    cursor = e;
    drawOver();
    if (e < 0) return hideTip();
    const { to, from } = moment().weights, box = host.getBoundingClientRect();
    showTip(describe(e), box.left + toX(start[from[e]]), box.top + toY(start[to[e]]));
  }

  function zoom(factor, u = view.x + 0.5 / view.zoom, v = view.y + 0.5 / view.zoom) {
    const next = Math.min(60, Math.max(1, view.zoom * factor));
    view = { x: u - ((u - view.x) * view.zoom) / next, y: v - ((v - view.y) * view.zoom) / next, zoom: next };
    keepInside();
    draw();
  }

  function keepInside() {
    const room = 1 - 1 / view.zoom;
    view.x = Math.min(Math.max(view.x, 0), room);
    view.y = Math.min(Math.max(view.y, 0), room);
  }

  function showAll() {
    view = { x: 0, y: 0, zoom: 1 };
    draw();
  }

  /** The nearest weight in a direction, straight ahead before aside. */
  function neighbour(dx, dy) {
    const { to, from } = moment().weights, n = shown();
    if (cursor < 0) return n ? 0 : -1;
    let best = cursor, least = Infinity;
    for (let e = 0; e < n; e++) {
      const x = start[from[e]] - start[from[cursor]], y = start[to[e]] - start[to[cursor]];
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (ahead > 1e-9 && ahead + 4 * aside < least) [best, least] = [e, ahead + 4 * aside];
    }
    return best;
  }

  function bringIntoView(e) {
    const { to, from } = moment().weights, seen = 1 / view.zoom, x = start[from[e]], y = start[to[e]];
    if (x >= view.x && x <= view.x + seen && y >= view.y && y <= view.y + seen) return;
    view.x = x - seen / 2;
    view.y = y - seen / 2;
    keepInside();
    draw();
  }

  let dragged = null;
  host.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== host && view.zoom === 1 && event.deltaY > 0) return; // let the page scroll
    event.preventDefault();
    const [x, y] = within(event, host), scale = view.zoom * side;
    zoom(Math.exp(-event.deltaY / 300), (x - LEFT) / scale + view.x, (y - TOP) / scale + view.y);
  }, { passive: false });
  host.addEventListener("pointerdown", (event) => {
    dragged = { x: event.clientX, y: event.clientY, far: false, fromX: view.x, fromY: view.y };
    host.setPointerCapture(event.pointerId);
  });
  host.addEventListener("pointermove", (event) => {
    if (!dragged) return point(find(...within(event, host)));
    const dx = event.clientX - dragged.x, dy = event.clientY - dragged.y;
    dragged.far ||= Math.hypot(dx, dy) > 4;
    if (!dragged.far || view.zoom === 1) return;
    view.x = dragged.fromX - dx / (view.zoom * side);
    view.y = dragged.fromY - dy / (view.zoom * side);
    keepInside();
    draw();
  });
  host.addEventListener("pointerup", (event) => {
    if (dragged && !dragged.far) {
      const e = find(...within(event, host));
      if (e >= 0) select(moment().weights.to[e], null);
    }
    dragged = null;
  });
  host.addEventListener("pointerleave", () => point(-1));
  host.addEventListener("dblclick", (event) => {
    const [x, y] = within(event, host), scale = view.zoom * side;
    zoom(2.5, (x - LEFT) / scale + view.x, (y - TOP) / scale + view.y);
  });
  host.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) {
      const e = neighbour(...moves[event.key]);
      if (e >= 0) bringIntoView(e), point(e);
    } else if (event.key === "+" || event.key === "=") zoom(1.6);
    else if (event.key === "-") zoom(1 / 1.6);
    else if (event.key === "0") showAll();
    else if (event.key === "Enter" && cursor >= 0) select(moment().weights.to[cursor], null);
    else if (event.key === "Escape") point(-1);
    else return;
    event.preventDefault();
  });
  host.addEventListener("blur", () => point(-1));
  $("zoom-in").addEventListener("click", () => zoom(1.6));
  $("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
  $("zoom-all").addEventListener("click", showAll);
  $("sort").addEventListener("change", (event) => {
    looking.sort = event.target.value;
    arrange();
    draw();
  });
  watchers.moment.push(() => {
    arrange();
    draw();
  });
  watchers.level.push(() => {
    index = null;
    cursor = -1;
    draw();
  });
  watchers.selected.push(drawOver);
  redraws.push(draw);
})();
