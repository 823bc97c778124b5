// Networks as dots over two columns, and the Pareto front of accuracy against weights used.

const active = new Uint8Array(data.n).fill(1); // networks within all brushes
const onBrush = []; // functions that draw anew when brushes move

/** Arrow keys that go through the networks that `listed` gives, in its order; Enter pins. */
function byArrows(host, listed, tell = () => {}) {
  host.addEventListener("keydown", (event) => {
    if (event.target !== host || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
    const order = listed();
    if (!order.length) return;
    const ends = { Home: 0, End: order.length - 1 };
    if (event.key === "Enter" && shown >= 0) return pin(shown);
    if (!(event.key in steps) && !(event.key in ends)) return;

    event.preventDefault();
    const now = order.indexOf(shown);
    const to = now < 0 ? 0 : now + (steps[event.key] ?? 0);
    const k = order[ends[event.key] ?? Math.max(0, Math.min(order.length - 1, to))];
    show(k, pinned);
    say(sentence(k));
    tell(k);
  });
}

/** Show the network that `nearest` gives for the pointer, with what is `told` of it; a click pins
 *  it. */
function underPointer(host, nearest, told) {
  let under = -1;
  host.addEventListener("pointermove", (event) => {
    under = nearest(event);
    host.style.cursor = under < 0 ? "" : "pointer";
    if (under < 0) return hideTip();
    show(under);
    showTip(told(under).replaceAll(", ", "\n"), event.clientX, event.clientY);
  });
  host.addEventListener("pointerleave", () => {
    under = -1;
    hideTip();
  });
  host.addEventListener("click", (event) => {
    if (event.target.closest(".sensor, .handle")) return;
    // A click comes in whole pixels: where lines are dense it would be another's.
    const k = under >= 0 ? under : nearest(event);
    if (k >= 0) pin(k);
  });
}

/** A chart of `networks` over columns x and y; a line along the networks of a `front`. */
function dotChart(host, x, y, networks, front = []) {
  const base = sheetOf(host);
  const over = sheetOf(host);
  const EDGE = { left: 54, right: 18, top: 24, bottom: 40 };
  const NEAR = 16; // pixels from a dot that still point at it
  const drawable = networks.filter((k) => [x, y].every((name) => !Number.isNaN(axes[name].at[k])));
  const order = [...drawable].sort(
    (a, b) => axes[x].at[a] - axes[x].at[b] || axes[y].at[a] - axes[y].at[b],
  );
  // The axes begin and end where these networks are, with a little room.
  const spans = Object.fromEntries([x, y].map((name) => [name, spanOf(name, drawable)]));
  let size = [0, 0];

  const px = (k) => EDGE.left + (size[0] - EDGE.left - EDGE.right) * spans[x].share(axes[x].at[k]);
  const py = (k) =>
    EDGE.top + (size[1] - EDGE.top - EDGE.bottom) * (1 - spans[y].share(axes[y].at[k]));

  function draw() {
    const { context, width, height } = base.begin();
    size = [width, height];
    drawFrame(context, width, height);
    context.globalAlpha = 0.12;
    for (const k of drawable) if (!active[k]) dot(context, k, colour("muted"));
    context.globalAlpha = drawable.length > 300 ? 0.65 : 0.85;
    for (const k of drawable) if (active[k]) dot(context, k, inks[k]);
    context.globalAlpha = 1;
    drawFront(context);
    mark();
  }

  function dot(context, k, ink) {
    context.fillStyle = ink;
    context.beginPath();
    context.arc(px(k), py(k), drawable.length > 300 ? 3.2 : 4.5, 0, 2 * Math.PI);
    context.fill();
  }

  function drawFrame(context, width, height) {
    context.strokeStyle = colour("line");
    context.fillStyle = colour("muted");
    const bottom = height - EDGE.bottom;
    context.textAlign = "right";
    for (const { at, text } of spans[y].marks) {
      const level = EDGE.top + (bottom - EDGE.top) * (1 - spans[y].share(at));
      line(context, EDGE.left, level, width - EDGE.right, level);
      context.fillText(text, EDGE.left - 7, level + 4);
    }
    context.textAlign = "center";
    let last = -Infinity;
    for (const { at, text } of spans[x].marks) {
      const upright = EDGE.left + (width - EDGE.left - EDGE.right) * spans[x].share(at);
      line(context, upright, EDGE.top, upright, bottom + 4);
      const half = context.measureText(text).width / 2;
      if (upright - half < last + 6) continue;
      context.fillText(text, upright, bottom + 17);
      last = upright + half;
    }
    context.fillText(columns[x].title, (EDGE.left + width - EDGE.right) / 2, height - 6);
    context.textAlign = "left";
    context.fillText(`↑ ${columns[y].title}`, 4, 11);
  }

  function drawFront(context) {
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.3;
    context.beginPath();
    front.forEach((k, i) => {
      if (i) {
        context.lineTo(px(k), py(front[i - 1]));
        context.lineTo(px(k), py(k));
      } else context.moveTo(px(k), py(k));
    });
    context.stroke();
    for (const k of front) ring(context, k, 6.5);
  }

  function ring(context, k, radius) {
    context.beginPath();
    context.arc(px(k), py(k), radius, 0, 2 * Math.PI);
    context.stroke();
  }

  function mark() {
    const { context } = over.begin();
    if (shown < 0 || !drawable.includes(shown)) return;
    context.strokeStyle = colour("ink");
    context.lineWidth = 2.4;
    ring(context, shown, 9);
  }

  const words = (k) => `${[x, y].map((n) => `${columns[n].title} ${valueText(n, k)}`).join(", ")}`;

  function nearest(mx, my) {
    let best = -1;
    let least = NEAR;
    for (const k of drawable) {
      const apart = Math.hypot(px(k) - mx, py(k) - my) + (active[k] ? 0 : 4);
      if (apart < least) {
        least = apart;
        best = k;
      }
    }
    return best;
  }

  const told = (k) => `${sentence(k)}, ${words(k)}`;
  underPointer(host, (event) => nearest(...within(event, host)), told);
  byArrows(host, () => order, (k) => say(told(k)));

  host.dataset.drawn = drawable.length;
  onShow.push(mark);
  onColour.push(draw);
  onBrush.push(draw);
  drawnIn(host, draw);
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** The part of a column's axis on which some networks lie, with room at both ends, and its
 *  marks. */
function spanOf(name, networks) {
  const at = networks.map((k) => axes[name].at[k]);
  let low = Infinity;
  let high = -Infinity;
  for (const t of at) {
    low = Math.min(low, t);
    high = Math.max(high, t);
  }
  const room = 0.05 * (high - low) || 0.5;
  const share = (t) => (t - low + room) / (high - low + 2 * room);
  return { share, marks: marksOf(name, low - room, high + room) };
}

/** Round values between two places on a column's axis. */
function marksOf(name, low, high) {
  const { value, marks } = axes[name];
  const inside = ({ at }) => at >= low - 1e-9 && at <= high + 1e-9;
  if (!value || columns[name].spacing === "log") {
    const kept = marks.filter(inside);
    if (kept.length > 1 || !value) return kept;
  }
  const bottom = value(0);
  const top = value(1);
  if (top === bottom) return [{ at: 0.5, text: number(bottom) }];

  const isLog = columns[name].spacing === "log";
  const place = (v) =>
    isLog ? Math.log(v / bottom) / Math.log(top / bottom) : (v - bottom) / (top - bottom);
  const round = ticks(value(low), value(high), 5, false);
  const whole = columns[name].whole ? round.filter(Number.isInteger) : round;
  return whole.map((v) => ({ at: place(v), text: number(v, 6) })).filter(inside);
}

/** The networks of the front as pictures, by rising weights. */
function drawFrontPictures(host, front, cost, score) {
  host.replaceChildren(
    ...front.map((k) => {
      const words = `${valueText(cost, k)} weights, ${valueText(score, k)}`;
      const label = `${sentence(k)}, ${words}`;
      const button = el("button", { type: "button", class: "pick", "aria-label": label });
      const picture = data.thumbnails[k];
      if (picture) {
        const canvas = el("canvas", { width: data.side, height: data.side });
        paint(canvas, picture);
        button.append(canvas);
      } else button.append(el("span", { class: "blank" }, "no picture"));
      button.append(el("span", {}, `${valueText(cost, k)}`), el("span", {}, valueText(score, k)));
      button.append(el("span", { class: "kind" }, kindOf(k)));
      button.dataset.network = k;
      button.addEventListener("click", () => pin(k));
      return el("li", {}, button);
    }),
  );
}
