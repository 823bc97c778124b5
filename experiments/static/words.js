// Numbers in words, round numbers along axes, a tip beside the pointer, canvases, colours. Knows no
// networks.

function number(x, digits = 3) {
  if (x === null || !Number.isFinite(x)) return "none";
  const size = Math.abs(x);
  const whole = Number.isInteger(x) ? x : Math.round(x);
  const isPlain = Number.isInteger(x) || size >= 10 ** digits;
  if (isPlain && size < 1e6) return count(whole + 0).replace("-", "−"); // + 0: no minus zero

  const rounded = Number(x.toPrecision(digits));
  const text = size >= 1e6 || size < 1e-3 ? rounded.toExponential() : `${rounded}`;
  return text.replace("e+", "e").replaceAll("-", "−");
}

/** Round numbers from low to high, about `n` of them; powers of ten on a logarithmic axis, if it
 *  spans enough of them. */
function ticks(low, high, n, log) {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    const every = Math.max(1, Math.ceil((last - first + 1) / n));
    const powers = [];
    for (let k = first; k <= last; k += every) powers.push(10 ** k);
    if (powers.length > 2) return powers;
    const between = powers.length < 2 ? [1, 2, 3, 5] : [1, 3];
    const finer = [];
    for (let k = first - 1; k <= last; k++) finer.push(...between.map((m) => m * 10 ** k));
    return finer.filter((x) => x >= low * (1 - 1e-9) && x <= high * (1 + 1e-9));
  }

  const rough = (high - low) / n || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= rough * (1 - 1e-9));
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    marks.push(Number((k * step).toPrecision(12)) + 0); // + 0: no minus zero
  }
  return marks;
}

// ---- a tip

const tip = $("tip");

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const width = tip.offsetWidth;
  const height = tip.offsetHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 16 + height > innerHeight ? y - height - 10 : y + 16}px`;
}

function hideTip() {
  tip.hidden = true;
}

addEventListener("scroll", hideTip, { passive: true, capture: true });

/** Say something to who does not see the pictures. */
function say(text) {
  $("said").textContent = text;
}

// ---- canvases

/** A canvas over all of `host`. Its `begin` sizes it for the screen, clears it, and gives its
 *  context and its size in CSS pixels. */
function sheetOf(host) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  host.append(canvas);
  const context = canvas.getContext("2d");

  function begin() {
    const width = host.clientWidth;
    const height = host.clientHeight;
    const ratio = Math.min(window.devicePixelRatio || 1, 2); // more takes its time and shows little
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11.5px system-ui, sans-serif";
    return { context, width, height };
  }

  return { canvas, begin };
}

/** The point of the mouse within an element. */
function within(event, host) {
  const box = host.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Call `redraw` now, when colours change, and when `host` changes its size. */
function drawnIn(host, redraw) {
  redraws.push(redraw);
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth !== width) {
      width = host.clientWidth;
      redraw();
    }
  }).observe(host);
  redraw();
}

// ---- colours

/** Red, green and blue of a colour written as #rrggbb. */
const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.trim().slice(k, k + 2), 16));

/** `n` colours of the ramp from small to large, each [red, green, blue]. */
function rampOf(n) {
  const stops = colour("ramp").split(",").map(rgb);
  return Array.from({ length: n }, (_, k) => {
    const t = (k / Math.max(1, n - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(t), stops.length - 2);
    return stops[low].map((x, i) => Math.round(x + (stops[low + 1][i] - x) * (t - low)));
  });
}

const cssOf = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
