// The verdicts on the network that is shown, with their evidence.
const NAMES = {
  fully_connected: "fully connected",
  locally_connected: "locally connected",
  convolutional: "convolutional",
  residual: "residual",
  recurrent: "recurrent",
  modular: "modular",
};
const unfolded = new Set(); // names of verdicts whose evidence is open

/** Local layers are judged where there are positions, shared kernels where layers are local. */
const wasJudged = (name, verdict) =>
  verdict.p !== null || !["locally_connected", "convolutional"].includes(name);

function drawVerdicts() {
  const { verdicts, status, summary, remarks, score } = level();
  const body = $("verdicts").tBodies[0];
  body.replaceChildren();
  $("remarks").replaceChildren(...(remarks ?? []).map((line) => el("li", {}, line)));
  $("chips").replaceChildren();

  const judged = verdicts !== undefined;
  $("now").textContent = judged ? summary : "not judged";
  const scored = score === null ? "" : `${data.score_name} ${number(score)} with these weights. `;
  $("verdict-note").textContent = scored + (judged ? "" : whyNotJudged());
  if (!judged) return;

  if (status !== "ok") {
    const words = "No path leads from an input to an output, so there is nothing to judge.";
    body.append(el("tr", {}, el("td", { colspan: 5 }, words)));
    return;
  }
  for (const [name, verdict] of Object.entries(verdicts)) {
    body.append(verdictRow(name, verdict));
    if (wasJudged(name, verdict)) $("chips").append(chip(name, verdict));
  }
}

/** How far a verdict is from its nearest bar, relative to it; beyond the whole of it, just far. */
function margin(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) > 1) return "far";
  return `${value < 0 ? "−" : "+"}${Math.round(100 * Math.abs(value))}\u00a0%`;
}

/** A verdict as a row of the table; its evidence stays open while the sliders move. */
function verdictRow(name, verdict) {
  const judged = wasJudged(name, verdict);
  const words = verdict.present ? "✓ present" : judged ? "not found" : "not judged";
  const mark = el("span", { class: `mark ${verdict.present ? "yes" : "no"}` }, words);

  const fold = el(
    "details",
    {},
    el("summary", {}, NAMES[name] ?? name),
    evidence(verdict.evidence),
  );
  fold.open = unfolded.has(name);
  fold.addEventListener("toggle", () => {
    if (fold.open) unfolded.add(name);
    else unfolded.delete(name);
    remember();
  });

  const effect = judged ? number(verdict.effect) : "–";
  const p = verdict.p === null ? "–" : number(verdict.p, 2);
  const cells = [margin(verdict.margin), effect, p].map((text) => el("td", { class: "n" }, text));
  return el("tr", {}, el("td", {}, fold), el("td", {}, mark), ...cells);
}

/** A verdict in two words, beside the sliders. */
function chip(name, verdict) {
  const words = `${verdict.present ? "✓ " : "not "}${NAMES[name] ?? name}`;
  return el("span", { class: verdict.present ? "chip yes" : "chip" }, words);
}

/** What a verdict rests on: numbers as rows of a table, lists of objects as tables of their own. */
function evidence(facts) {
  const rows = [];
  const tables = [];
  for (const [key, value] of Object.entries(facts)) {
    if (key === "effect_is") continue;

    const first = Array.isArray(value) ? value[0] : undefined;
    if (first && typeof first === "object" && !Array.isArray(first)) {
      tables.push(tableOf(value));
    } else {
      const cells = [el("td", {}, key.replaceAll("_", " ")), el("td", { class: "n" }, text(value))];
      rows.push(el("tr", {}, ...cells));
    }
  }
  const about = el("p", { class: "note" }, `Effect: ${facts.effect_is}.`);
  return el(
    "div",
    {},
    about,
    el("table", { class: "evidence" }, el("tbody", {}, ...rows)),
    ...tables,
  );
}

/** A table of objects with the same keys, a row for each. */
function tableOf(objects) {
  const isPlain = (value) => typeof value !== "object" || value === null;
  const keys = Object.keys(objects[0]).filter((key) => isPlain(objects[0][key]));
  const heads = keys.map((key) => el("th", { scope: "col" }, key.replaceAll("_", " ")));
  const rowOf = (object) => el("tr", {}, ...keys.map((key) => el("td", {}, text(object[key]))));
  const head = el("thead", {}, el("tr", {}, ...heads));
  return el("table", { class: "evidence" }, head, el("tbody", {}, ...objects.map(rowOf)));
}

/** Any value of the evidence in words. */
function text(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.map(text).join(", ") : "none";
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([key, item]) => `${key} ${text(item)}`)
      .join(", ");
  }
  return String(value);
}

observers.snapshot.push(drawVerdicts);
observers.level.push(drawVerdicts);
Object.assign(own, { unfolded, wasJudged, verdictNames: NAMES });
