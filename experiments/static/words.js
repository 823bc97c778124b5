// Numbers in words, round numbers along axes, ramps of colours. Knows no networks.

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

addEventListener("scroll", hideTip, { passive: true, capture: true });

/** Say something to who does not see the pictures. */
function say(text) {
  $("said").textContent = text;
}

// ---- pictures

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
