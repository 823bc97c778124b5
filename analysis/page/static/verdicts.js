// The verdicts of the network being looked at, with their evidence.
const NAMES = {
  fully_connected: "fully connected", locally_connected: "locally connected", convolutional: "convolutional",
  residual: "residual", recurrent: "recurrent",
};
const unfolded = new Set(); // verdicts whose evidence is open

/** Local layers are looked for where there are positions, and shared kernels where layers are local. */
const wasJudged = (name, verdict) => verdict.p !== null || !["locally_connected", "convolutional"].includes(name);

function drawVerdicts() {
  const now = level(), body = $("verdicts").tBodies[0], chips = $("chips");
  body.replaceChildren();
  chips.replaceChildren();
  const judged = now.verdicts !== undefined, linked = judged && now.status === "ok";
  $("now").textContent = judged ? now.summary : "not judged";
  const score = now.score === null ? "" : `${data.score_name} ${number(now.score)} with these weights. `;
  $("verdict-note").textContent = score + (judged ? "" : "Too many weights at this step to be judged; keep fewer of the strongest.");
  if (!linked) {
    if (judged) body.append(el("tr", {}, el("td", { colspan: 4 }, "No path leads from an input to an output, so there is nothing to judge.")));
    return;
  }
  for (const [name, verdict] of Object.entries(now.verdicts)) {
    const present = verdict.present, mark = present ? "✓ present" : wasJudged(name, verdict) ? "not found" : "not judged";
    const fold = el("details", {}, el("summary", {}, NAMES[name] ?? name), evidence(verdict.evidence));
    fold.open = unfolded.has(name);
    fold.addEventListener("toggle", () => (fold.open ? unfolded.add(name) : unfolded.delete(name)));
    body.append(
      el("tr", {}, el("td", {}, fold), el("td", {}, el("span", { class: `mark ${present ? "yes" : "no"}` }, mark)),
        el("td", { class: "n" }, wasJudged(name, verdict) ? number(verdict.effect) : "–"),
        el("td", { class: "n" }, verdict.p === null ? "–" : number(verdict.p, 2))),
    );
    if (wasJudged(name, verdict)) chips.append(el("span", { class: present ? "chip yes" : "chip" }, `${present ? "✓ " : "not "}${NAMES[name] ?? name}`));
  }
}

function evidence(found) {
  const rows = [], tables = [];
  for (const [key, value] of Object.entries(found)) {
    if (key === "effect_is") continue;
    const rowsOfObjects = Array.isArray(value) && value.length && typeof value[0] === "object" && value[0] !== null;
    if (rowsOfObjects && !Array.isArray(value[0])) tables.push(tableOf(value));
    else rows.push(el("tr", {}, el("td", {}, key.replaceAll("_", " ")), el("td", { class: "n" }, text(value))));
  }
  const about = el("p", { class: "note" }, `Effect: ${found.effect_is}.`);
  return el("div", {}, about, el("table", { class: "evidence" }, el("tbody", {}, ...rows)), ...tables);
}

function tableOf(objects) {
  const keys = Object.keys(objects[0]).filter((key) => typeof objects[0][key] !== "object" || objects[0][key] === null);
  const head = el("tr", {}, ...keys.map((key) => el("th", { scope: "col" }, key.replaceAll("_", " "))));
  const body = objects.map((row) => el("tr", {}, ...keys.map((key) => el("td", {}, text(row[key])))));
  return el("table", { class: "evidence" }, el("thead", {}, head), el("tbody", {}, ...body));
}

function text(value) {
  if (value === null) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.map(text).join(", ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([key, item]) => `${key} ${text(item)}`).join(", ");
  return String(value);
}
