// The page saved again, with the groups that are pinned in it; and the first drawing of everything.
const pinnedText = JSON.parse($("pinned").textContent);
networks.forEach((own, k) => {
  own.pinned = own.checkedGroups(pinnedText[k]) ?? [];
});

/** Values as JSON that no parser of HTML takes for anything else. */
function embedded(value) {
  const code = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[<>&'\u2028\u2029]/g, code);
}

$("save").addEventListener("click", () => {
  const groups = networks.map(({ state }) => state.groups);
  untouched.querySelector("#pinned").textContent = embedded(groups);
  const blob = new Blob(["<!doctype html>\n", untouched.outerHTML, "\n"], { type: "text/html" });

  const url = URL.createObjectURL(blob);
  const name = decodeURIComponent(location.pathname.split("/").at(-1));
  el("a", { href: url, download: name.endsWith(".html") ? name : "report.html" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  const n = groups.flat().length;
  $("save-note").textContent = `Saved with ${n === 1 ? "1 group" : `${count(n)} groups`}.`;
});

// ---- the first drawing

for (const { drawTraining } of networks) drawTraining();
if (location.hash && !isAnchor()) readAddress();
else fields.forEach(({ reset }) => reset());
drawAll();
remembering = true;

// Pictures depend on their width alone: draw them anew when that of the matrix changes.
for (const { prefix } of networks) {
  const host = $(`${prefix}matrix`);
  let frame = 0;
  let lastWidth = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth === lastWidth) return;

    lastWidth = host.clientWidth;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(redrawAll);
  }).observe(host);
}
