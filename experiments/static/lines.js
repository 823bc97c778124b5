// All networks at once, in parallel coordinates: a line a network, an axis a column, brushes.
(() => {
  const host = $("lines");
  const strip = $("lines-strip"); // as wide as the axes need
  const base = sheetOf(strip);
  const over = sheetOf(strip);
  const front = svg("svg", { class: "axes" });
  strip.append(front);
  const NARROWEST = 84; // pixels of an axis: room for its numbers
  const TOP = 64; // room for titles above
  const BOTTOM = 34; // room for "none" below
  const REACH = 14; // pixels to either side that belong to an axis
  const NEAR = 9; // pixels from a line that still point at it
  const NONE = 22; // pixels below an axis, where networks without a value are
  const MOST_APART = 2500; // lines stroked one by one; of more, so many at once:
  const AT_ONCE = 40; // a path of thousands of lines takes longer than its lines do

  const chosen = new Set(data.lines); // columns that have an axis
  const brushes = new Map(); // {name: [low, high]}, from 0 to 1
  let names = [];
  let step = 0;
  let height = 0;

  const x = (k) => (k + 0.5) * step;
  const yAt = (t) => TOP + (height - TOP - BOTTOM) * (1 - t);
  const yOf = (name, k) => {
    const t = axes[name].at[k];
    return Number.isNaN(t) ? height - BOTTOM + NONE : yAt(t);
  };

  // ---- what is drawn

  function arrange() {
    names = Object.keys(columns).filter((name) => chosen.has(name));
    const width = Math.max(host.clientWidth, NARROWEST * names.length);
    strip.style.width = `${width}px`;
    step = width / Math.max(1, names.length);
    height = strip.clientHeight;
    drawAxes();
    draw();
  }

  function draw() {
    const { context } = base.begin();
    context.lineWidth = 1;
    context.globalAlpha = 0.1;
    context.strokeStyle = colour("muted");
    strokeParts(context, everyNetwork.filter((k) => !active[k]), AT_ONCE);

    const lit = everyNetwork.filter((k) => active[k]);
    context.globalAlpha = Math.max(0.12, Math.min(0.75, 160 / lit.length));
    const groups = new Map();
    for (const k of lit) {
      if (!groups.has(inks[k])) groups.set(inks[k], []);
      groups.get(inks[k]).push(k);
    }
    for (const [ink, members] of groups) {
      context.strokeStyle = ink;
      strokeParts(context, members, lit.length > MOST_APART ? AT_ONCE : 1);
    }
    strip.dataset.drawn = lit.length;
    mark();
  }

  function strokeParts(context, members, n) {
    for (let k = 0; k < members.length; k += n) strokeAll(context, members.slice(k, k + n));
  }

  function strokeAll(context, members) {
    context.beginPath();
    for (const k of members) {
      names.forEach((name, i) => {
        const y = yOf(name, k);
        if (i) context.lineTo(x(i), y);
        else context.moveTo(x(0) - (names.length > 1 ? 0 : 20), y);
        if (names.length === 1) context.lineTo(x(0) + 20, y);
      });
    }
    context.stroke();
  }

  /** The line of the network that is shown. */
  function mark() {
    const { context } = over.begin();
    if (shown < 0) return;
    context.lineJoin = "round";
    for (const [ink, wide] of [[colour("card"), 6], [colour("ink"), 3.4], [inks[shown], 2]]) {
      context.strokeStyle = ink;
      context.lineWidth = wide;
      strokeAll(context, [shown]);
    }
  }

  // ---- axes and brushes

  function drawAxes() {
    front.setAttribute("viewBox", `0 0 ${strip.clientWidth} ${height}`);
    front.replaceChildren(...names.map(drawAxis));
    for (const title of strip.querySelectorAll(".axis-title")) title.remove();
    names.forEach((name, k) => {
      const place = { left: `${x(k) - step / 2}px`, width: `${step}px`, height: `${TOP - 12}px` };
      const kind = data.fields.includes(name) ? "axis-title field" : "axis-title";
      const words = el("span", {}, ...breakable(columns[name].title));
      strip.append(el("div", { class: kind, style: place }, words));
    });
  }

  function drawAxis(name, k) {
    const { marks, at } = axes[name];
    const group = svg("g", { transform: `translate(${x(k)} 0)` });
    const catcher = { x: -REACH, width: 2 * REACH, y: TOP - 8, height: yAt(0) - TOP + 16 };
    const sensor = svg("rect", { ...catcher, class: "sensor" });
    const brush = svg("rect", { class: "brush", x: -6, width: 12 });
    group.append(sensor, svg("line", { y1: yAt(1), y2: yAt(0), class: "axis-line" }), brush);
    for (const { at: t, text } of spread(marks)) {
      const label = svg("text", { x: 7, y: yAt(t) + 4 });
      label.textContent = text.length > 12 ? `${text.slice(0, 11)}…` : text;
      const mark = { x1: -3, x2: 3, y1: yAt(t), y2: yAt(t), class: "axis-line" };
      group.append(svg("line", mark), label);
    }
    if (at.some(Number.isNaN)) {
      const label = svg("text", { x: 7, y: yAt(0) + NONE + 4 });
      label.textContent = axes[name].off;
      group.append(label);
    }

    const handles = [1, 0].map((end) => handleOf(name, end));
    group.append(...handles);
    const axis = { brush, handles };
    sensor.addEventListener("pointerdown", (event) => drag(event, name, null));
    handles.forEach((handle, i) =>
      handle.addEventListener("pointerdown", (event) => drag(event, name, 1 - i)),
    );
    placeBrush(name, axis);
    group.update = () => placeBrush(name, axis);
    return group;
  }

  /** A title that may break behind its dots. */
  const breakable = (text) =>
    text.split(/(?<=[._])/).flatMap((part, k) => (k ? [el("wbr"), part] : [part]));

  /** Marks that do not run into each other. */
  function spread(marks) {
    const kept = [];
    for (const next of marks) {
      if (!kept.length || Math.abs(yAt(kept.at(-1).at) - yAt(next.at)) > 13) kept.push(next);
    }
    return kept;
  }

  /** The end of a brush, moved by keys; `end` is 0 or 1. */
  function handleOf(name, end) {
    const d = end ? "M -7 -9 L 7 -9 L 0 0 Z" : "M -7 9 L 7 9 L 0 0 Z";
    const label = `${columns[name].title}, ${end ? "highest" : "lowest"} value shown`;
    const aria = { role: "slider", "aria-label": label, "aria-orientation": "vertical" };
    const range = { "aria-valuemin": 0, "aria-valuemax": 100 };
    const handle = svg("path", { d, class: "handle", tabindex: 0, ...aria, ...range });
    handle.dataset.column = name;
    handle.dataset.end = end;
    handle.addEventListener("keydown", (event) => moveByKey(event, name, end));
    return handle;
  }

  function placeBrush(name, { brush, handles }) {
    const [low, high] = brushes.get(name) ?? [0, 1];
    brush.setAttribute("y", yAt(high));
    brush.setAttribute("height", Math.max(1, yAt(low) - yAt(high)));
    brush.style.display = brushes.has(name) ? "" : "none";
    [high, low].forEach((t, i) => {
      handles[i].setAttribute("transform", `translate(0 ${yAt(t)})`);
      handles[i].setAttribute("aria-valuenow", Math.round(100 * t));
      handles[i].setAttribute("aria-valuetext", boundText(name, t));
    });
  }

  /** The value at which a brush ends: of the nearest network, or of the axis there. */
  function boundText(name, t) {
    const { value, marks } = axes[name];
    if (value) return number(value(t));
    const nearest = marks.reduce((a, b) => (Math.abs(b.at - t) < Math.abs(a.at - t) ? b : a));
    return nearest.text;
  }

  function moveByKey(event, name, end) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { stops } = axes[name];
    const bounds = [...(brushes.get(name) ?? [0, 1])];
    const above = stops.filter((t) => t > bounds[end] + 1e-9);
    const below = stops.filter((t) => t < bounds[end] - 1e-9);
    const to = {
      ArrowUp: above[0],
      ArrowRight: above[0],
      ArrowDown: below.at(-1),
      ArrowLeft: below.at(-1),
      PageUp: above[Math.min(4, above.length - 1)],
      PageDown: below.at(-Math.min(5, below.length)),
      Home: 0,
      End: 1,
      Delete: end,
      Backspace: end,
    };
    if (!(event.key in to)) return;
    event.preventDefault();
    if (to[event.key] === undefined) return;
    bounds[end] = to[event.key];
    if (bounds[0] > bounds[1]) bounds[1 - end] = bounds[end];
    setBrush(name, bounds);
  }

  /** Drag a new brush, or one `end` of the one that is there; a click takes it away. */
  function drag(event, name, end) {
    if (event.button) return;
    event.preventDefault();
    const sensor = event.currentTarget;
    sensor.setPointerCapture(event.pointerId);
    if (end !== null) sensor.focus();
    const [, at] = within(event, strip);
    const placeOf = (y) => Math.max(0, Math.min(1, 1 - (y - TOP) / (height - TOP - BOTTOM)));
    const before = brushes.get(name) ?? [0, 1];
    const fixed = end === null ? placeOf(at) : before[1 - end];
    let moved = false;

    const move = (event) => {
      const [, y] = within(event, strip);
      moved ||= Math.abs(y - at) > 3;
      if (moved) setBrush(name, [fixed, placeOf(y)].sort((a, b) => a - b));
    };
    const stop = () => {
      if (!moved && end === null) setBrush(name, [0, 1]);
      sensor.removeEventListener("pointermove", move);
      sensor.removeEventListener("pointerup", stop);
      sensor.removeEventListener("pointercancel", stop);
    };
    sensor.addEventListener("pointermove", move);
    sensor.addEventListener("pointerup", stop);
    sensor.addEventListener("pointercancel", stop);
  }

  let waiting = false; // whether a redraw is on its way

  function setBrush(name, [low, high]) {
    if (low <= 0 && high >= 1) brushes.delete(name);
    else brushes.set(name, [low, high]);
    for (const group of front.children) group.update();

    for (const k of everyNetwork) {
      active[k] = [...brushes].every(([column, [from, to]]) => {
        const t = axes[column].at[k];
        return t >= from - 1e-9 && t <= to + 1e-9;
      })
        ? 1
        : 0;
    }
    tellBrushes();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
      for (const redraw of onBrush) redraw();
    });
  }

  function tellBrushes() {
    const lit = active.reduce((sum, a) => sum + a, 0);
    $("clear").disabled = !brushes.size;
    const words = [...brushes].map(
      ([name, [low, high]]) =>
        `${columns[name].title} from ${boundText(name, low)} to ${boundText(name, high)}`,
    );
    const which = words.length ? `: ${words.join(", ")}` : "";
    $("brushed").textContent = `${count(lit)} of ${count(data.n)} networks${which}`;
  }

  $("clear").addEventListener("click", () => {
    brushes.clear();
    if (names.length) setBrush(names[0], [0, 1]);
  });

  // ---- the network under the pointer or the arrow keys

  function nearest(px, py) {
    const k = Math.max(0, Math.min(names.length - 2, Math.floor(px / step - 0.5)));
    const [left, right] = [names[k], names[Math.min(k + 1, names.length - 1)]];
    const t = Math.max(0, Math.min(1, (px - x(k)) / step));
    let best = -1;
    let least = NEAR;
    for (const network of everyNetwork) {
      if (!active[network]) continue;
      const y = yOf(left, network) * (1 - t) + yOf(right, network) * t;
      if (Math.abs(y - py) < least) {
        least = Math.abs(y - py);
        best = network;
      }
    }
    return best;
  }

  underPointer(strip, (event) => (event.buttons ? -1 : nearest(...within(event, strip))), sentence);

  byArrows(host, () => everyNetwork.filter((k) => active[k]));

  // ---- which columns have an axis

  const box = $("axes-chosen");
  $("choose").addEventListener("click", () => {
    box.hidden = !box.hidden;
    $("choose").setAttribute("aria-expanded", !box.hidden);
  });
  for (const name of Object.keys(columns)) {
    const tick = el("input", { type: "checkbox" });
    tick.checked = chosen.has(name);
    tick.addEventListener("change", () => {
      if (tick.checked) chosen.add(name);
      else chosen.delete(name);
      brushes.delete(name);
      arrange();
      if (names.length) setBrush(names[0], brushes.get(names[0]) ?? [0, 1]);
    });
    box.append(el("label", {}, tick, ` ${columns[name].title}`));
  }

  onShow.push(mark);
  onColour.push(draw);
  tellBrushes();
  drawnIn(host, arrange);
})();
