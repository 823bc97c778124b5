// Maps of measures over two fields: a cell (or a dot, where the points are no grid) has the colour
// of the median of its networks, and says its values under the pointer or the arrow keys.
(() => {
  const { networks, is_grid: isGrid, measures } = data.map;
  const [x, y] = data.map.axes;
  const SHADES = 64; // of the ramp
  const EDGE = { left: 64, right: 8, top: 6, bottom: 58 };
  const NEAR = 14; // pixels from a dot that still point at it

  /** Points of the map, with their networks: {column, row, members}, row by row. */
  function pointsOf() {
    const [xs, ys] = data.map.levels;
    const columnOf = new Map(xs.map((value, i) => [value, i]));
    const rowOf = new Map(ys.map((value, i) => [value, i]));
    const byPlace = new Map();
    for (const k of networks) {
      const column = columnOf.get(columns[x].values[k]);
      const row = rowOf.get(columns[y].values[k]);
      const key = row * xs.length + column;
      if (!byPlace.has(key)) byPlace.set(key, { column, row, members: [] });
      byPlace.get(key).members.push(k);
    }
    const points = [...byPlace].sort(([a], [b]) => a - b).map(([, point]) => point);
    return { xs, ys, points };
  }

  /** The median of some numbers in order. */
  function median(values) {
    const middle = (values.length - 1) / 2;
    return (values[Math.floor(middle)] + values[Math.ceil(middle)]) / 2;
  }

  /** A map of one measure. */
  function drawMap(name, { xs, ys, points }) {
    const column = columns[name];
    const host = el("div", { class: "picture map-picture", tabindex: 0, role: "application" });
    const keys = "Arrow keys move over it, Enter pins the network.";
    host.setAttribute("aria-label", `${column.title} over ${x} and ${y}. ${keys}`);
    host.dataset.measure = name;
    const base = sheetOf(host);
    const over = sheetOf(host);
    const cells = points.map((point) => measured(point, column));
    // Of how networks answer, the scale begins with those that have learned something.
    const onScale = ({ value, middle }) => value !== null && !isOff(column, middle);
    const known = cells.filter(onScale).map(({ value }) => value);
    const bend = column.spacing === "log" ? Math.log10 : (value) => value;
    const low = Math.min(...known);
    const high = Math.max(...known);
    const shadeOf = (value) => {
      const share = high > low ? (bend(value) - bend(low)) / (bend(high) - bend(low)) : 1;
      return Math.max(0, Math.min(SHADES - 1, Math.round((SHADES - 1) * share)));
    };

    let size = [0, 0];
    let cursor = -1;
    const room = () => [size[0] - EDGE.left - EDGE.right, size[1] - EDGE.top - EDGE.bottom];

    /** The rectangle of a point, or that around its dot. */
    function placeOf({ column, row, members }) {
      const [wide, high] = room();
      if (isGrid) {
        const cell = [wide / xs.length, high / ys.length];
        const left = EDGE.left + column * cell[0];
        return [left, EDGE.top + (ys.length - 1 - row) * cell[1], ...cell];
      }
      const [k] = members;
      const cx = EDGE.left + wide * (0.03 + 0.94 * axes[x].at[k]);
      const cy = EDGE.top + high * (0.97 - 0.94 * axes[y].at[k]);
      return [cx - 5, cy - 5, 10, 10];
    }

    function draw() {
      const { context, width, height } = base.begin();
      size = [width, height];
      const ramp = rampOf(SHADES).map(cssOf);
      cells.forEach((cell, i) => {
        const [left, top, wide, high] = placeOf(points[i]);
        context.fillStyle = onScale(cell) ? ramp[shadeOf(cell.value)] : colour("tint");
        if (isGrid) context.fillRect(left, top, Math.max(1, wide - 1), Math.max(1, high - 1));
        else {
          context.beginPath();
          context.arc(left + 5, top + 5, 5, 0, 2 * Math.PI);
          context.fill();
        }
      });
      nameAxes(context);
      drawScale(scale, ramp);
      mark();
    }

    function nameAxes(context) {
      const [wide, high] = room();
      context.fillStyle = colour("muted");
      context.textAlign = "right";
      for (const [text, t] of namesAlong(y, ys, high, 14)) {
        context.fillText(text, EDGE.left - 6, EDGE.top + high * (1 - t) + 4);
      }
      context.textAlign = "center";
      for (const [text, t] of namesAlong(x, xs, wide, 58)) {
        context.fillText(text, EDGE.left + wide * t, size[1] - EDGE.bottom + 16);
      }
      context.fillStyle = colour("ink");
      context.fillText(x, EDGE.left + wide / 2, size[1] - EDGE.bottom + 34);
      context.textAlign = "left";
      context.fillText(`↑ ${y}`, 4, size[1] - 5);
    }

    /** Names along a side, at least `apart` pixels from each other, with their places. */
    function namesAlong(field, levels, length, apart) {
      const places = isGrid
        ? levels.map((value, k) => [textOf(value), (k + 0.5) / levels.length])
        : axes[field].marks.map(({ at, text }) => [text, 0.03 + 0.94 * at]);
      const kept = [];
      for (const next of places) {
        if (!kept.length || (next[1] - kept.at(-1)[1]) * length >= apart) kept.push(next);
      }
      return kept;
    }

    function mark() {
      const { context } = over.begin();
      const at = points.findIndex(({ members }) => members.includes(shown));
      const lit = cursor >= 0 ? cursor : at;
      if (lit < 0) return;
      const [left, top, wide, high] = placeOf(points[lit]);
      context.lineWidth = 2.5;
      context.strokeStyle = colour("accent");
      context.strokeRect(left - 1, top - 1, wide + 1, high + 1);
    }

    function pointAt(mx, my) {
      if (isGrid) {
        return points.findIndex((point) => {
          const [left, top, wide, high] = placeOf(point);
          return mx >= left && mx < left + wide && my >= top && my < top + high;
        });
      }
      let best = -1;
      let least = NEAR;
      points.forEach((point, i) => {
        const [left, top] = placeOf(point);
        const apart = Math.hypot(left + 5 - mx, top + 5 - my);
        if (apart < least) [best, least] = [i, apart];
      });
      return best;
    }

    const words = (i) => {
      const { value, least, most, n } = cells[i];
      const [k] = points[i].members;
      const where = [x, y].map((field) => `${field} = ${textOf(columns[field].values[k])}`);
      if (value === null) return [`${column.title}: no value`, ...where].join("\n");
      const chance = onScale(cells[i]) ? "" : ", at chance";
      const one = `${column.title}: ${number(value, 4)}${chance}`;
      const spread = `median of ${n}, ${number(least, 4)} to ${number(most, 4)}`;
      return [one, ...(n > 1 ? [spread] : []), ...where].join("\n");
    };

    host.addEventListener("pointermove", (event) => {
      cursor = pointAt(...within(event, host));
      if (cursor < 0) hideTip();
      else {
        show(cells[cursor].middle);
        showTip(words(cursor), event.clientX, event.clientY);
      }
      mark();
    });
    host.addEventListener("pointerleave", () => {
      cursor = -1;
      hideTip();
      mark();
    });
    host.addEventListener("click", () => cursor >= 0 && pin(cells[cursor].middle));
    host.addEventListener("blur", () => {
      cursor = -1;
      hideTip();
      mark();
    });
    host.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && cursor >= 0) return pin(cells[cursor].middle);
      const to = step(event, cursor, points);
      if (to === null) return;
      event.preventDefault();
      cursor = to;
      show(cells[to].middle, pinned);
      const box = host.getBoundingClientRect();
      const [left, top, wide, high] = placeOf(points[to]);
      showTip(words(to), box.left + left + wide / 2, box.top + top + high / 2);
      say(words(to).replaceAll("\n", ", "));
      mark();
    });

    const scale = el("canvas", { width: SHADES, height: 1, "aria-hidden": "true" });
    const key = el("span", { class: "ramp" }, number(low), scale, number(high));
    const log = column.spacing === "log" ? ", logarithmic" : "";
    const title = el("span", {}, `${column.title}${log}`);
    const figure = el("figure", {}, el("figcaption", {}, title, key), host);
    onShow.push(mark);
    host.dataset.drawn = cells.length;
    return [figure, () => drawnIn(host, draw)];
  }

  const textOf = (value) => (typeof value === "string" ? value : number(value));

  /** A measure at a point: the median of its networks, their range, the network in the middle. */
  function measured({ members }, column) {
    const having = members.filter((k) => column.values[k] !== null);
    const ordered = having.sort((a, b) => column.values[a] - column.values[b]);
    const values = ordered.map((k) => column.values[k]);
    const n = values.length;
    if (!n) return { value: null, middle: members[0], n };
    const middle = ordered[Math.floor((n - 1) / 2)];
    return { value: median(values), least: values[0], most: values[n - 1], middle, n };
  }

  /** The point that an arrow key goes to: of a grid the next in that direction, else the next. */
  function step(event, cursor, points) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const way = ways[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return null;
    if (cursor < 0) return 0;
    if (!isGrid) {
      return Math.max(0, Math.min(points.length - 1, cursor + way[0] + way[1]));
    }
    const { column, row } = points[cursor];
    const ahead = points
      .map((point, i) => [i, (point.column - column) * way[0] + (point.row - row) * way[1], point])
      .filter(([, along, p]) => along > 0 && (way[0] ? p.row === row : p.column === column))
      .sort((a, b) => a[1] - b[1]);
    return ahead.length ? ahead[0][0] : cursor;
  }

  function drawScale(canvas, ramp) {
    const context = canvas.getContext("2d");
    ramp.forEach((ink, k) => {
      context.fillStyle = ink;
      context.fillRect(k, 0, 1, 1);
    });
  }

  const host = $("maps");
  if (!x || !measures.length) return;
  if (!y) {
    for (const name of measures) {
      const chart = el("div", { class: "picture dots", tabindex: 0, role: "application" });
      const keys = "Left and right arrows go from network to network, Enter pins it.";
      chart.setAttribute("aria-label", `${columns[name].title} over ${x}. ${keys}`);
      chart.dataset.measure = name;
      host.append(el("figure", {}, el("figcaption", {}, columns[name].title), chart));
      dotChart(chart, x, name, networks);
    }
    return;
  }
  const points = pointsOf();
  const maps = measures.map((name) => drawMap(name, points));
  host.append(...maps.map(([figure]) => figure));
  for (const [, begin] of maps) begin();
})();
