// Two networks side by side: one selection for both, and a table of what the sliders show.
if (networks.length === 2) {
  const [a, b] = networks;
  const body = $("both").tBodies[0];
  const { number } = a;
  let passing = false; // while a selection is handed on

  for (const [from, to] of [
    [a, b],
    [b, a],
  ]) {
    from.observers.selected.push(() => {
      if (passing) return;
      passing = true;
      to.selectAs(from.selection());
      passing = false;
    });
  }

  /** Rows of numbers: {name, value(level)}. */
  const NUMBERS = [
    { name: "score with these weights", value: ({ score }) => score },
    { name: "weights kept", value: ({ kept }) => kept },
    { name: "weights used", value: ({ used }) => used },
    { name: "depth", value: ({ depth }) => depth },
    { name: "nonlinear neurons on a path", value: ({ effective_depth: depth }) => depth },
  ];

  const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

  function difference(x, y) {
    if (!isNumber(x) || !isNumber(y)) return "";
    const by = Number((y - x).toPrecision(6));
    return by ? (by > 0 ? "+" : "") + number(by) : "0";
  }

  function row(name, cells) {
    const head = el("th", { scope: "row" }, name);
    return el("tr", {}, head, ...cells.map((cell) => el("td", { class: "n" }, cell)));
  }

  function numberRow({ name, value }) {
    const [x, y] = [a, b].map(({ level }) => value(level()) ?? null);
    return row(name, [number(x), number(y), difference(x, y)]);
  }

  /** A verdict on each network, with its effect. */
  function verdictRow(name) {
    const found = [a, b].map(({ level }) => level().verdicts?.[name]);
    const cells = found.map((verdict, k) => {
      if (!verdict || !networks[k].wasJudged(name, verdict)) return "not judged";
      const mark = el("span", { class: `mark ${verdict.present ? "yes" : "no"}` });
      mark.textContent = verdict.present ? "✓" : "not";
      return el("span", {}, mark, ` ${number(verdict.effect)}`);
    });
    const known = found.every((verdict, k) => verdict && networks[k].wasJudged(name, verdict));
    const by = known ? difference(found[0].effect, found[1].effect) : "";
    return row(a.verdictNames[name] ?? name, [...cells, by]);
  }

  const draw = () => {
    const judged = [a, b].flatMap(({ level }) => Object.keys(level().verdicts ?? {}));
    body.replaceChildren(...[...new Set(judged)].map(verdictRow), ...NUMBERS.map(numberRow));
  };
  for (const { observers } of networks) {
    observers.snapshot.push(draw);
    observers.level.push(draw);
  }
}
