// The networks of the page, and the two sliders that all of them follow.
const untouched = root.cloneNode(true); // as it was written, to be saved again

const networks = ["", "a-", "b-"].flatMap((prefix) => {
  const script = $(`${prefix}data`);
  if (!script) return [];
  const own = { prefix, data: JSON.parse(script.textContent) };
  network(own);
  return [own];
});

const sliders = { snapshot: $("snapshot"), level: $("level") };
const FRAME = 600; // milliseconds for which a snapshot stays while training is played

// The steps on the slider of training: those of all networks.
const steps = [...new Set(networks.flatMap(({ data }) => data.snapshots.map(({ step }) => step)))];
steps.sort((a, b) => a - b);

// Where the sliders stand: an index in `steps`, and how many times fewer weights are kept.
const shown = { position: steps.length - 1, level: 0 };

/** The last snapshot of a network that is not after a step, or its first. */
function snapshotAt({ data }, step) {
  const after = data.snapshots.findIndex((one) => one.step > step);
  return after < 0 ? data.snapshots.length - 1 : Math.max(0, after - 1);
}

const mostLevels = () => Math.max(...networks.map(({ snapshot }) => snapshot().levels.length));

/** A text for each network, those of several with their labels. */
function inEach(words) {
  if (networks.length === 1) return words(networks[0]);
  return networks.map((own) => `${own.data.label} ${words(own)}`).join(", ");
}

function placeSliders() {
  sliders.snapshot.value = shown.position;
  const most = mostLevels() - 1;
  shown.level = Math.min(shown.level, most);
  sliders.level.max = most;
  sliders.level.disabled = most < 1;
  sliders.level.value = most - shown.level; // all of them to the right

  const step = steps[shown.position];
  const own = networks.map(({ snapshot }) => snapshot().step);
  const apart = own.some((other) => other !== step); // a network may have none of this step
  const each = inEach(({ snapshot }) => count(snapshot().step));
  const text = apart ? `step ${count(step)}: ${each}` : `step ${count(step)}`;
  $("snapshot-text").textContent = apart ? text : `${text} of ${count(steps.at(-1))}`;
  sliders.snapshot.setAttribute("aria-valuetext", `step ${step}`);
  $("level-text").textContent = inEach(({ snapshot, level }) => {
    const total = snapshot().levels[0].kept;
    const { kept } = level();
    return kept === total ? `all ${count(total)}` : `${count(kept)} of ${count(total)}`;
  });
  const spoken = inEach(({ snapshot, level }) => `${level().kept} of ${snapshot().levels[0].kept} weights`);
  sliders.level.setAttribute("aria-valuetext", spoken);
}

/** Make what every network shows follow the sliders; draws nothing. */
function follow() {
  for (const own of networks) own.state.snapshot = snapshotAt(own, steps[shown.position]);
  shown.level = Math.min(shown.level, mostLevels() - 1);
  for (const own of networks) {
    own.state.level = Math.min(shown.level, own.snapshot().levels.length - 1);
  }
  placeSliders();
}

/** Draw what the sliders show after one of them has moved. */
function moved(part) {
  follow();
  for (const own of networks) own.changed(part);
}

sliders.snapshot.addEventListener("input", () => {
  stop();
  shown.position = Number(sliders.snapshot.value);
  moved("snapshot");
});

sliders.level.addEventListener("input", () => {
  shown.level = mostLevels() - 1 - Number(sliders.level.value);
  moved("level");
});

// ---- training played

let playing = null; // the timer, while it runs
const atEnd = () => shown.position === steps.length - 1;

function stop() {
  clearInterval(playing);
  playing = null;
  $("play").firstChild.textContent = "▶";
}

function showNext() {
  shown.position += 1;
  moved("snapshot");
  if (atEnd()) stop();
}

$("play").addEventListener("click", () => {
  if (playing) return stop();

  if (atEnd()) shown.position = -1; // begin again
  $("play").firstChild.textContent = "❚❚";
  playing = setInterval(showNext, FRAME);
  showNext();
});
