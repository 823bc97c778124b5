// Groups of neurons that are pinned under a name, and kept in the address and in a saved page.
(() => {
  const MOST = 50; // groups
  const LONGEST = 60; // letters of a name
  const source = $("pin-what");
  const field = $("pin-name");

  /** Neurons that can be pinned now: [{name, ids}]. */
  function candidates() {
    const chosen = state.selected ? [neurons.ids[state.selected.neuron]] : [];
    const now = [
      { name: "the selected neuron", ids: chosen },
      { name: "the silenced neurons", ids: [...state.silenced] },
    ];
    return [...now.slice(0, run ? 2 : 1), ...naturalGroups()];
  }

  function offer() {
    const before = source.value;
    const entries = candidates();
    source.replaceChildren(
      ...entries.map(({ name, ids }) => {
        const attributes = { value: name, ...(ids.length ? {} : { disabled: "" }) };
        return el("option", attributes, `${name} (${count(ids.length)})`);
      }),
    );
    const holds = (name) => entries.some((entry) => entry.name === name && entry.ids.length);
    source.value = holds(before) ? before : (entries.find(({ ids }) => ids.length)?.name ?? "");
  }

  function draw() {
    offer();
    $("groups").replaceChildren(...state.groups.map(tag));
    $("groups-note").textContent = state.groups.length
      ? "A neuron that is pinned under a name that is there is added to that group."
      : "A pinned group has a name, can be lit and silenced whole, and is kept when the page is saved.";
  }

  /** A group: its name lights it; its other buttons silence or remove it. */
  function tag(group) {
    const { name, ids } = group;
    const isLit = state.lit === name;
    const light = () => {
      state.lit = isLit ? null : name;
      changed("groups");
    };
    const remove = () => {
      state.groups = state.groups.filter((other) => other !== group);
      if (isLit) state.lit = null;
      changed("groups");
      field.focus();
    };

    const button = (words, onclick, attributes = {}) =>
      el("button", { type: "button", class: "quiet", onclick, ...attributes }, words);
    const pressed = isLit ? "true" : "false";
    const parts = [
      button(`${name} (${count(ids.length)})`, light, { "aria-pressed": pressed, title: "light it" }),
    ];
    if (run) parts.push(button("silence", () => silence(ids), { "aria-label": `silence ${name}` }));
    parts.push(button("×", remove, { "aria-label": `remove ${name}`, title: "remove" }));
    return el("li", {}, ...parts);
  }

  /** Neurons under a name; added where the name is there. */
  function pin(name, ids) {
    const there = state.groups.find((group) => group.name === name);
    if (there) there.ids = inOrder([...there.ids, ...ids]);
    else state.groups.push({ name, ids: inOrder(ids) });
  }

  const inOrder = (ids) => [...new Set(ids)].sort((a, b) => a - b);

  $("pin").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    const chosen = candidates().find((entry) => entry.name === source.value);
    if (!name || !chosen?.ids.length) return;
    if (state.groups.length === MOST) {
      $("groups-note").textContent = `At most ${MOST} groups can be pinned.`;
      return;
    }

    pin(name, chosen.ids);
    state.lit = name;
    field.value = "";
    changed("groups");
  });

  /** Groups from outside, or null where they are not such: {name, ids} with ids that there are. */
  function checked(groups) {
    if (!Array.isArray(groups) || groups.length > MOST) return null;

    const names = new Set();
    for (const group of groups) {
      const fits = typeof group?.name === "string" && group.name.trim() === group.name;
      if (!fits || !group.name || group.name.length > LONGEST || names.has(group.name)) return null;
      if (!Array.isArray(group.ids) || !group.ids.length || !group.ids.every(isNeuron)) return null;
      names.add(group.name);
    }
    return groups.map(({ name, ids }) => ({ name, ids: inOrder(ids) }));
  }

  const isNeuron = (id) => Number.isInteger(id) && id >= 0 && id < data.n_neurons;

  own.checkedGroups = checked;
  observers.groups.push(draw);
  observers.selected.push(offer);
  observers.silenced.push(offer);
})();
