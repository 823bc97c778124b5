// |W| of the used neurons, sorted by layer: zoom with the wheel, drag to move, values under the
// mouse or the arrow keys.
(() => {
  const host = $("matrix");
  const base = sheetOf(host);
  const over = sheetOf(host);
  const TOP = 66; // room for names above
  const SMALLEST_GROUP = 0.045; // of the side: room for the name of a layer of two neurons
  const SMALLEST_CELL = 2.6; // pixels: a lone weight that a reader still finds
  const SHADES = 48; // of the ramp of colours
  const DECADES = 3; // weights under 1/1000 of the largest share the faintest colour
  const MOST_ZOOM = 60;

  // The groups of neurons, and by neuron where its row begins and how wide it is, on a side of
  // length 1.
  let groups = [];
  let start = [];
  let cell = [];
  let order = []; // neurons from top to bottom

  // The part of the side that is in view, and the square that it fills, in pixels.
  let view = { x: 0, y: 0, zoom: 1 };
  let left = 92; // room for names
  let side = 0;

  let index = null; // see `lookup`
  let cursor = -1; // the weight under the mouse or the arrow keys, or -1
  let ramp = []; // colours from weak to strong

  // ---- what is drawn

  function arrange() {
    groups = sortedGroups();
    const total = groups.reduce((sum, group) => sum + group.members.length, 0);
    const least = Math.min(SMALLEST_GROUP, 0.5 / groups.length);
    const widths = groups.map((group) => Math.max(group.members.length / total, least));
    const scale = 1 / widths.reduce((sum, width) => sum + width, 0);

    start = new Float64Array(neurons.ids.length).fill(-1);
    cell = new Float64Array(neurons.ids.length);
    order = groups.flatMap((group) => group.members);
    let at = 0;
    groups.forEach((group, k) => {
      const step = (widths[k] * scale) / group.members.length;
      group.from = at;
      for (const n of group.members) {
        start[n] = at;
        cell[n] = step;
        at += step;
      }
      group.to = at;
    });
    index = null;
    cursor = -1;
  }

  /** The neurons that are shown, by role and by layer at the end (or of this snapshot). */
  function sortedGroups() {
    const now = snapshot();
    const own = state.sort === "own" && now.graph;
    const isHidden = (_, n) => neurons.role[n] === HIDDEN;
    const layers = Array.from(neurons.layer).filter(isHidden);
    const depth = (own ? now.levels[0].depth : Math.max(0, ...layers)) || 0;

    const byKey = new Map();
    for (let n = 0; n < neurons.ids.length; n++) {
      if (now.layer[n] < 0) continue;
      const role = neurons.role[n];
      const hidden = own ? now.layer[n] : neurons.layer[n];
      const layer = role === HIDDEN ? hidden : 0;
      const key = sortKey(role, layer);
      if (!byKey.has(key))
        byKey.set(key, { key, name: groupName(role, layer, depth), members: [] });
      byKey.get(key).members.push(n);
    }
    return [...byKey.values()].sort((a, b) => a.key - b.key);
  }

  /** Inputs first, then layers, then neurons that are unused later, then outputs. */
  function sortKey(role, layer) {
    if (role === INPUT) return -1e6;
    if (role === OUTPUT) return 1e7;
    return layer < 0 ? 1e6 : layer;
  }

  /** How many weights are drawn. */
  const nShown = () => countAbove(snapshot().weights.value, level().threshold);

  const toX = (u) => left + (u - view.x) * view.zoom * side;
  const toY = (v) => TOP + (v - view.y) * view.zoom * side;

  /** The point of the side that a pixel shows. */
  const toSide = (x, y) => {
    const scale = view.zoom * side;
    return [(x - left) / scale + view.x, (y - TOP) / scale + view.y];
  };

  // ---- the picture

  const mix = (a, b, t) => a.map((x, i) => Math.round(x + (b[i] - x) * t));

  function shades() {
    const stops = colour("ramp").split(",").map(rgb);
    return Array.from({ length: SHADES }, (_, k) => {
      const t = (k / (SHADES - 1)) * (stops.length - 1);
      const low = Math.min(Math.floor(t), stops.length - 2);
      return mix(stops[low], stops[low + 1], t - low);
    });
  }

  /** Shade of a weight: logarithmic below the largest of all snapshots. */
  function shade(size) {
    const share = 1 + Math.log10(size / data.largest) / DECADES;
    return Math.max(0, Math.min(SHADES - 1, Math.round((SHADES - 1) * share)));
  }

  /** The blocks and the first n weights as pixels: twenty thousand rectangles of a canvas would
   *  take ten times as long. */
  function paint(ratio, n) {
    const { to, from, value, used } = snapshot().weights;
    const hasGraph = snapshot().graph !== null;
    const size = Math.max(1, Math.round(side * ratio));
    const image = new ImageData(size, size);
    const fill = filler(image);
    const scale = view.zoom * size;
    const x = (u) => (u - view.x) * scale;
    const y = (v) => (v - view.y) * scale;

    const tint = packedColour(rgb(colour("tint")));
    for (const [row, column] of filledBlocks(n)) {
      fill(x(column.from), y(row.from), x(column.to), y(row.to), tint);
    }

    // Weights that no path uses lie below the others, and are paler.
    const card = rgb(colour("card"));
    const dense = n > 0.3 * order.length ** 2;
    const least = dense ? scale / Math.max(1, order.length) : SMALLEST_CELL * ratio;
    for (const pass of [0, 1]) {
      const pale = !pass && hasGraph;
      const inks = ramp.map((ink) => packedColour(pale ? mix(card, ink, 0.28) : ink));
      for (let e = n - 1; e >= 0; e--) {
        if (used[e] !== pass) continue;
        const w = cell[from[e]] * scale;
        const h = cell[to[e]] * scale;
        const X = x(start[from[e]]) - Math.max(0, least - w) / 2;
        const Y = y(start[to[e]]) - Math.max(0, least - h) / 2;
        fill(X, Y, X + Math.max(w, least), Y + Math.max(h, least), inks[shade(Math.abs(value[e]))]);
      }
    }
    return image;
  }

  /** Red, green and blue as the number that a pixel is, opaque. */
  const packedColour = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

  /** A function that fills a rectangle of a square image, at least a pixel wide and high. */
  function filler(image) {
    const size = image.width;
    const pixels = new Uint32Array(image.data.buffer);
    return (x0, y0, x1, y1, ink) => {
      const first = Math.max(0, Math.round(x0));
      const last = Math.min(size, Math.max(Math.round(x1), Math.round(x0) + 1));
      const bottom = Math.min(size, Math.max(Math.round(y1), Math.round(y0) + 1));
      if (first >= last) return;
      for (let y = Math.max(0, Math.round(y0)); y < bottom; y++) {
        pixels.fill(ink, y * size + first, y * size + last);
      }
    };
  }

  /** Pairs of groups (to, from) between which a path uses a weight, or any weight is. */
  function filledBlocks(n) {
    const { to, from, used } = snapshot().weights;
    const hasGraph = snapshot().graph !== null;
    const groupOf = new Map();
    for (const group of groups) for (const member of group.members) groupOf.set(member, group);

    const blocks = new Map();
    for (let e = 0; e < n; e++) {
      if (hasGraph && !used[e]) continue;
      const row = groupOf.get(to[e]);
      const column = groupOf.get(from[e]);
      blocks.set(row.key * 1e8 + column.key, [row, column]);
    }
    return blocks.values();
  }

  function draw() {
    const { context: c, width, height, ratio } = base.begin();
    const narrow = width < 420;
    left = narrow ? 76 : 92;
    side = Math.max(40, Math.min(width - left - (narrow ? 34 : 52), height - TOP - 4));
    ramp = shades();
    drawRamp();
    const n = nShown();
    c.putImageData(paint(ratio, n), Math.round(left * ratio), Math.round(TOP * ratio));
    drawBorders(c);
    drawNames(c);
    drawOver();
    $("matrix-note").textContent = note(n);
  }

  /** Draw within the square only. */
  function clipped(c, x, y, size, drawInside) {
    c.save();
    c.beginPath();
    c.rect(x, y, size, size);
    c.clip();
    drawInside();
    c.restore();
  }

  /** A line down and a line across the whole square. */
  function cross(c, x, y) {
    c.moveTo(x, TOP);
    c.lineTo(x, TOP + side);
    c.moveTo(left, y);
    c.lineTo(left + side, y);
  }

  function drawBorders(c) {
    const borders = groups.length ? [0, ...groups.map((group) => group.to)] : [];
    clipped(c, left - 1, TOP - 1, side + 2, () => {
      c.strokeStyle = colour("grid");
      c.lineWidth = 1;
      c.beginPath();
      for (const u of borders) cross(c, Math.round(toX(u)) + 0.5, Math.round(toY(u)) + 0.5);
      c.stroke();
    });
  }

  function note(n) {
    const now = snapshot();
    const { total, value } = now.weights;
    if (!order.length) return "No weights are left.";

    const parts = [`${count(order.length)} neurons; row: to, column: from.`];
    if (n === value.length && total > n) {
      parts.push(`The ${count(n)} strongest of ${count(total)} weights are drawn.`);
    }
    if (now.graph) parts.push("Pale: weights that no path from an input to an output uses.");
    else if (state.snapshot < data.snapshots.length - 1) {
      parts.push("Neurons that are used at the end.");
    }
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

  /** Names of the groups above and on the left, as far as they do not run into each other. */
  function drawNames(c) {
    const span = 1 / view.zoom;
    const middle = (group, from) => {
      const low = Math.max(group.from, from);
      const high = Math.min(group.to, from + span);
      return high > low ? (low + high) / 2 : null; // null: out of view
    };
    let lastX = -1e9;
    let lastY = -1e9;
    c.fillStyle = colour("muted");
    for (const group of groups) {
      const name = `${group.name} ${group.members.length}`;
      const u = middle(group, view.x);
      if (u !== null && toX(u) - lastX > 20) {
        lastX = toX(u);
        drawSlanted(c, name, lastX, TOP - 7);
      }

      const v = middle(group, view.y);
      if (v !== null && toY(v) - lastY > 12) {
        lastY = toY(v);
        c.textAlign = "right";
        c.fillText(name, left - 7, lastY + 4, left - 10);
      }
    }
    c.textAlign = "left";
  }

  function drawSlanted(c, text, x, y) {
    c.save();
    c.translate(x, y);
    c.rotate(-0.6);
    c.textAlign = "left";
    c.fillText(text, 0, 0);
    c.restore();
  }

  function drawOver() {
    const { context: c } = over.begin();
    clipped(c, left, TOP, side, () => {
      for (const n of indexesOf(state.silenced)) drawBand(c, n, "negative", 0.18);
      for (const n of indexesOf(litIds())) drawBand(c, n, "accent", 0.12);
      if (state.selected && start[state.selected.neuron] >= 0) {
        drawBand(c, state.selected.neuron, "accent", 0.22);
      }
      if (cursor >= 0) drawCursor(c);
    });
  }

  /** The neurons of some ids that have a row now. */
  const indexesOf = (ids) =>
    Array.from(ids, (id) => indexOf.get(id)).filter((n) => n !== undefined && start[n] >= 0);

  /** The row and the column of a neuron. */
  function drawBand(c, n, ink, alpha) {
    const thick = Math.max(cell[n] * view.zoom * side, 2);
    c.fillStyle = colour(ink);
    c.globalAlpha = alpha;
    c.fillRect(left, toY(start[n]), side, thick);
    c.fillRect(toX(start[n]), TOP, thick, side);
    c.globalAlpha = 1;
  }

  /** A frame around the weight under the cursor, and lines that lead to it. */
  function drawCursor(c) {
    const { to, from } = snapshot().weights;
    const scale = view.zoom * side;
    const w = cell[from[cursor]] * scale;
    const h = cell[to[cursor]] * scale;
    const x = toX(start[from[cursor]]) + w / 2;
    const y = toY(start[to[cursor]]) + h / 2;
    c.strokeStyle = colour("accent");
    c.lineWidth = 1;
    c.beginPath();
    cross(c, x, y);
    c.stroke();

    const frame = [Math.max(w, 7), Math.max(h, 7)];
    c.lineWidth = 2;
    c.strokeRect(x - frame[0] / 2, y - frame[1] / 2, ...frame);
  }

  // ---- weights under the mouse and the arrow keys

  /** {row * N + column: weight} of all weights that are drawn. */
  function lookup() {
    if (!index) {
      const { to, from } = snapshot().weights;
      const n = nShown();
      index = new Map();
      for (let e = 0; e < n; e++) index.set(to[e] * neurons.ids.length + from[e], e);
    }
    return index;
  }

  /** The row at a point of the side, by bisection of `order`. */
  function rowAt(u) {
    if (u < 0 || u >= 1 || !order.length) return -1;

    let low = 0;
    let high = order.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (start[order[middle]] <= u) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The strongest weight within two pixels of a point, or -1. */
  function find(x, y) {
    if (x < left || y < TOP || x > left + side || y > TOP + side) return -1;

    const reach = 2 / (view.zoom * side);
    const clamp = (t) => Math.min(Math.max(t, 0), 1 - 1e-9);
    const rows = (t) => [rowAt(clamp(t - reach)), rowAt(clamp(t + reach))];
    const [u, v] = toSide(x, y);
    const [firstRow, lastRow] = rows(v);
    const [firstColumn, lastColumn] = rows(u);
    let best = -1;
    for (let r = firstRow; r <= lastRow; r++) {
      for (let k = firstColumn; k <= lastColumn; k++) {
        const e = lookup().get(order[r] * neurons.ids.length + order[k]);
        if (e !== undefined && (best < 0 || e < best)) best = e; // strongest first
      }
    }
    return best;
  }

  function describe(e) {
    const { to, from, value, used } = snapshot().weights;
    const groupOf = (n) => groups.find((group) => group.members.includes(n));
    const named = (n) => `${neurons.ids[n]} (${groupOf(n).name})`;
    const unused = snapshot().graph && !used[e];
    const words = unused ? "\nnot on any path from an input to an output" : "";
    return `from ${named(from[e])} to ${named(to[e])}\nweight ${signed(value[e])}${words}`;
  }

  function point(e) {
    cursor = e;
    drawOver();
    if (e < 0) return hideTip();

    const { to, from } = snapshot().weights;
    const box = host.getBoundingClientRect();
    showTip(describe(e), box.left + toX(start[from[e]]), box.top + toY(start[to[e]]));
  }

  /** The nearest weight in a direction, straight ahead before aside. */
  function neighbour(dx, dy) {
    const { to, from } = snapshot().weights;
    const n = nShown();
    if (cursor < 0) return n ? 0 : -1;

    let best = cursor;
    let least = Infinity;
    for (let e = 0; e < n; e++) {
      const x = start[from[e]] - start[from[cursor]];
      const y = start[to[e]] - start[to[cursor]];
      const ahead = x * dx + y * dy;
      const distance = ahead + 4 * (Math.abs(x * dy) + Math.abs(y * dx));
      if (ahead <= 1e-9 || distance >= least) continue;
      best = e;
      least = distance;
    }
    return best;
  }

  // ---- the part in view

  /** Zoom about a point of the side, its middle unless given. */
  function zoom(factor, u = view.x + 0.5 / view.zoom, v = view.y + 0.5 / view.zoom) {
    const next = Math.min(MOST_ZOOM, Math.max(1, view.zoom * factor));
    const x = u - ((u - view.x) * view.zoom) / next;
    const y = v - ((v - view.y) * view.zoom) / next;
    view = { x, y, zoom: next };
    keepInside();
    draw();
    remember();
  }

  /** No part of the view lies beyond the side. It is rounded, so that the address can hold just
   *  what is shown. */
  function keepInside() {
    const rounded = (at) => Number(at.toFixed(8));
    const zoom = rounded(view.zoom);
    const inside = (at) => rounded(Math.min(Math.max(at, 0), 1 - 1 / zoom));
    view = { x: inside(view.x), y: inside(view.y), zoom };
  }

  function showAll() {
    view = { x: 0, y: 0, zoom: 1 };
    draw();
    remember();
  }

  function bringIntoView(e) {
    const { to, from } = snapshot().weights;
    const span = 1 / view.zoom;
    const x = start[from[e]];
    const y = start[to[e]];
    if (x >= view.x && x <= view.x + span && y >= view.y && y <= view.y + span) return;

    view.x = x - span / 2;
    view.y = y - span / 2;
    keepInside();
    draw();
    remember();
  }

  // ---- events

  let drag = null; // from where the mouse drags, while it does

  function onWheel(event) {
    const leaves = !event.ctrlKey && document.activeElement !== host;
    if (leaves && view.zoom === 1 && event.deltaY > 0) return; // let the page scroll

    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...toSide(...within(event, host)));
  }

  function onMove(event) {
    if (!drag) return point(find(...within(event, host)));

    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    drag.far ||= Math.hypot(dx, dy) > 4;
    if (!drag.far || view.zoom === 1) return;

    view.x = drag.fromX - dx / (view.zoom * side);
    view.y = drag.fromY - dy / (view.zoom * side);
    keepInside();
    draw();
    remember();
  }

  function onUp(event) {
    if (drag && !drag.far) {
      const e = find(...within(event, host));
      if (e >= 0) select(snapshot().weights.to[e], null);
    }
    drag = null;
  }

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const KEYS = {
    "+": () => zoom(1.6),
    "=": () => zoom(1.6),
    "-": () => zoom(1 / 1.6),
    0: showAll,
    Escape: () => point(-1),
  };

  /** The neuron of the row under the cursor, or the one that is selected; or null. */
  const pointed = () =>
    cursor >= 0 ? snapshot().weights.to[cursor] : (state.selected?.neuron ?? null);

  function onKey(event) {
    if (event.key in MOVES) {
      const e = neighbour(...MOVES[event.key]);
      if (e >= 0) {
        bringIntoView(e);
        point(e);
      }
    } else if (event.key === "Enter" && cursor >= 0) {
      select(snapshot().weights.to[cursor], null);
    } else if (event.key.toLowerCase() === "s" && run && plainKey(event) && pointed() !== null) {
      silence([neurons.ids[pointed()]]);
    } else if (event.key in KEYS) {
      KEYS[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  }

  host.addEventListener("wheel", onWheel, { passive: false });
  host.addEventListener("pointerdown", (event) => {
    const { clientX: x, clientY: y } = event;
    drag = { x, y, far: false, fromX: view.x, fromY: view.y };
    host.setPointerCapture(event.pointerId);
  });
  host.addEventListener("pointermove", onMove);
  host.addEventListener("pointerup", onUp);
  host.addEventListener("pointerleave", () => point(-1));
  host.addEventListener("dblclick", (event) => zoom(2.5, ...toSide(...within(event, host))));
  host.addEventListener("keydown", onKey);
  host.addEventListener("blur", () => point(-1));
  $("zoom-in").addEventListener("click", () => zoom(1.6));
  $("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
  $("zoom-all").addEventListener("click", showAll);
  $("sort").addEventListener("change", (event) => {
    state.sort = event.target.value;
    arrange();
    draw();
    remember();
  });

  observers.snapshot.push(() => {
    arrange();
    draw();
  });
  observers.level.push(() => {
    index = null;
    cursor = -1;
    draw();
  });
  observers.selected.push(drawOver);
  observers.silenced.push(drawOver);
  observers.groups.push(drawOver);
  redraws.push(draw);

  // What the address holds of it: {x, y, zoom}, and all of it unless told otherwise.
  own.view = {
    get: () => view,
    set: (next) => (view = next),
    mostZoom: MOST_ZOOM,
  };
})();
