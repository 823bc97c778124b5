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
