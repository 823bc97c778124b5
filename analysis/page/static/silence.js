// What the network answers without some of its neurons: which these are, and the score.
(() => {
  if (!run) return;

  const MOST_TAGS = 40; // neurons that are listed one by one
  const choice = $("silence-group");

  function draw() {
    const ids = [...state.silenced].sort((a, b) => a - b);
    $("silence-none").disabled = !ids.length;
    $("silence-score").replaceChildren(...(ids.length ? scores(ids) : [hint()]));
    $("silenced").replaceChildren(...ids.slice(0, MOST_TAGS).map(tag));
    if (ids.length > MOST_TAGS) {
      const more = `and ${count(ids.length - MOST_TAGS)} more`;
      $("silenced").append(el("li", { class: "more" }, more));
    }
    $("silence-note").textContent = about();
  }

  const hint = () =>
    "Silence a group, or a neuron: press S on it, or select it and use its button. " +
    "Its activity is held at zero at every iteration.";

  /** The samples that the score is of. */
  function about() {
    const kind = run.isStream
      ? `${count(run.nSamples * run.nSymbols)} symbols of ${count(run.nSamples)} streams`
      : `${count(run.nSamples)} samples`;
    return `Measured here, on ${kind} that training did not see, with what the sliders show.`;
  }

  /** The score with all neurons beside that without some. */
  function scores(ids) {
    const whole = run.score(new Set());
    if (whole === null) {
      return ["Too many weights at this step to be run here; keep fewer of the strongest."];
    }

    const left = run.score(state.silenced);
    const neuronsGone = ids.length === 1 ? "1 neuron" : `${count(ids.length)} neurons`;
    return [
      figure(`${run.name} with all`, whole),
      figure(`without ${neuronsGone}`, left),
      figure("change", left - whole, left === whole ? "0" : signed(left - whole)),
    ];
  }

  function figure(label, value, text = number(value, 4)) {
    const shown = el("b", { "data-value": value }, text);
    return el("span", {}, `${label} `, shown);
  }

  /** A silenced neuron, with a button that lets it speak again. */
  function tag(id) {
    const label = `let neuron ${id} speak again`;
    const onclick = () => silence([id]);
    const attributes = { type: "button", class: "quiet", "aria-label": label, title: label, onclick };
    return el("li", {}, el("button", attributes, `${id} ×`));
  }

  /** Layers and pinned groups, to be silenced whole. */
  function offer() {
    const before = choice.value;
    const entries = [...naturalGroups(), ...state.groups.map(pinned)];
    choice.replaceChildren(...entries.map(option));
    if (entries.some(({ name }) => name === before)) choice.value = before;
  }

  const pinned = ({ name, ids }) => ({ name: `“${name}”`, ids });
  const option = ({ name, ids }) => el("option", { value: name }, `${name} (${count(ids.length)})`);

  $("silence-add").addEventListener("click", () => {
    const entries = [...naturalGroups(), ...state.groups.map(pinned)];
    const chosen = entries.find(({ name }) => name === choice.value);
    if (!chosen) return;
    for (const id of chosen.ids) state.silenced.add(id);
    changed("silenced");
  });

  $("silence-none").addEventListener("click", () => {
    state.silenced.clear();
    changed("silenced");
    choice.focus();
  });

  // The score of the whole network is had beforehand, so that the first click answers as soon as
  // others do.
  const whenIdle = window.requestIdleCallback ?? setTimeout;
  whenIdle(() => run.score(new Set()));

  observers.silenced.push(draw);
  observers.snapshot.push(draw);
  observers.level.push(draw);
  observers.groups.push(offer);
})();
