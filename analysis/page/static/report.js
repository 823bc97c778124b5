// The two sliders, and the first drawing of everything.
const sliders = { snapshot: $("snapshot"), level: $("level") };
const FRAME = 600; // milliseconds for which a snapshot stays while training is played

function showLevel() {
  const levels = snapshot().levels;
  sliders.level.max = levels.length - 1;
  sliders.level.disabled = levels.length < 2;
  state.level = Math.min(state.level, levels.length - 1);
  sliders.level.value = levels.length - 1 - state.level; // all of them to the right

  const total = levels[0].kept;
  const kept = level().kept;
  const text = kept === total ? `all ${count(total)}` : `${count(kept)} of ${count(total)}`;
  $("level-text").textContent = text;
  sliders.level.setAttribute("aria-valuetext", `${kept} of ${total} weights`);
  drawVerdicts();
  drawDepths();
}

function showSnapshot() {
  const { step } = snapshot();
  $("snapshot-text").textContent = `step ${count(step)} of ${count(data.snapshots.at(-1).step)}`;
  sliders.snapshot.setAttribute("aria-valuetext", `step ${step}`);
  for (const mark of markers) mark(step);
  showLevel();
}

observers.snapshot.push(showSnapshot);
observers.level.push(showLevel);

sliders.snapshot.addEventListener("input", () => {
  stop();
  state.snapshot = Number(sliders.snapshot.value);
  changed("snapshot");
});

sliders.level.addEventListener("input", () => {
  state.level = snapshot().levels.length - 1 - Number(sliders.level.value);
  changed("level");
});

// ---- training played

let playing = null; // the timer, while it runs
const atEnd = () => state.snapshot === data.snapshots.length - 1;

function stop() {
  clearInterval(playing);
  playing = null;
  $("play").firstChild.textContent = "▶";
}

function showNext() {
  state.snapshot += 1;
  sliders.snapshot.value = state.snapshot;
  changed("snapshot");
  if (atEnd()) stop();
}

$("play").addEventListener("click", () => {
  if (playing) return stop();

  if (atEnd()) state.snapshot = -1; // begin again
  $("play").firstChild.textContent = "❚❚";
  playing = setInterval(showNext, FRAME);
  showNext();
});

// ---- the first drawing

drawHistory();
drawStrengths();
changed("snapshot");

// Pictures depend on their width alone: draw them anew when that of the matrix changes.
let resized = 0;
let lastWidth = $("matrix").clientWidth;
new ResizeObserver(() => {
  const width = $("matrix").clientWidth;
  if (width === lastWidth) return;

  lastWidth = width;
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(redrawAll);
}).observe($("matrix"));
