// Starts the page: colours, the panel, the Pareto front, and marks that Python wrote.
$("colouring").addEventListener("change", (event) => {
  colouring = event.target.value;
  takeColours();
});
$("let-go").addEventListener("click", letGo);

if ($("front")) {
  const [cost, score] = ["used_connections", "validation_accuracy"];
  dotChart($("front"), cost, score, everyNetwork, data.front);
  const pictures = () => drawFrontPictures($("front-pictures"), data.front, cost, score);
  pictures();
  redraws.push(pictures);
}

// Cells and lists name their network in data-network; the first of a cell stands for it.
const networkOf = (node) => {
  const named = node.closest?.("[data-network]") ?? node.closest?.("#map td");
  const at = named?.dataset.network ?? named?.querySelector("[data-network]")?.dataset.network;
  return at === undefined ? -1 : Number(at);
};
for (const kind of ["pointerover", "focusin"]) {
  $("main").addEventListener(kind, ({ target }) => {
    const k = networkOf(target);
    if (k >= 0) show(k);
  });
}

const importanceOf = $("importance-of");
function chooseEnd() {
  for (const body of document.querySelectorAll("#importance tbody")) {
    body.hidden = body.dataset.end !== importanceOf.value;
  }
}
if (importanceOf) {
  importanceOf.addEventListener("change", chooseEnd);
  chooseEnd();
}
