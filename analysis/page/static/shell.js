// What every page has: the theme, printing in light colours, and small helpers.
const root = document.documentElement;
const redraws = []; // functions that draw a picture anew when colours or sizes change
const $ = (id) => document.getElementById(id);

function redrawAll() {
  for (const redraw of redraws) redraw();
}

function isDark() {
  return getComputedStyle(root).colorScheme === "dark";
}

/** A custom property of the style sheet, such as colour("positive"). */
function colour(name) {
  return getComputedStyle(root).getPropertyValue(`--${name}`).trim();
}

/** An element with attributes and children; texts become text nodes, so nothing is ever read as
 *  HTML. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") Object.assign(node.style, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const count = (n) => n.toLocaleString("en-US");

/** Whether a key is pressed alone, and so not meant for the browser. */
const plainKey = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;

/** The point of the mouse within an element. */
function within(event, host) {
  const box = host.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Red, green and blue of a colour written as #rrggbb. */
const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.trim().slice(k, k + 2), 16));

// ---- a tip beside the pointer, on pages that have one

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
  if (tip) tip.hidden = true;
}

// ---- pictures

/** A canvas over all of `host`. Its `begin` sizes it for the screen, clears it and gives its
 *  context, its size in CSS pixels, and how many of its own pixels make one of these. */
function sheetOf(host) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  host.append(canvas);
  const context = canvas.getContext("2d");

  function begin() {
    const width = host.clientWidth;
    const height = host.clientHeight;
    const ratio = pixelRatio();
    const columns = Math.round(width * ratio);
    const rows = Math.round(height * ratio);
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
    }

    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    return { context, width, height, ratio };
  }

  return { canvas, begin };
}

/** Pixels of the screen in one of CSS. Two are enough for the eye, and more take their time. */
const pixelRatio = () => Math.min(window.devicePixelRatio || 1, 2);

// ---- light and dark

$("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  redrawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

// ---- printing

let themeOnScreen = null; // while a page is printed: the theme to go back to

/** Browsers say that they print by one event, by the other, or by both. */
function printing(on) {
  if (on === (themeOnScreen !== null)) return;

  if (on) {
    themeOnScreen = root.dataset.theme ?? "";
    root.dataset.theme = "light";
  } else {
    if (themeOnScreen) root.dataset.theme = themeOnScreen;
    else delete root.dataset.theme;
    themeOnScreen = null;
  }
  redrawAll();
  if (on) document.querySelectorAll("canvas").forEach(flatten);
}

/** Make a picture of a canvas out of what was drawn: Chromium prints a canvas stroke by stroke, and
 *  drops the long ones. */
function flatten(canvas) {
  if (!canvas.width || !canvas.height) return;

  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  canvas.width = canvas.width; // forgets the strokes
  context.putImageData(pixels, 0, 0);
}

addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
matchMedia("print").addEventListener("change", (event) => printing(event.matches));
