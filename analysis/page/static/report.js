// The two sliders, and the first look.
const sliders = { moment: $("moment"), level: $("level") };

function showLevel() {
  const now = moment(), levels = now.levels;
  sliders.level.max = levels.length - 1;
  sliders.level.disabled = levels.length < 2;
  looking.level = Math.min(looking.level, levels.length - 1);
  sliders.level.value = levels.length - 1 - looking.level; // all of them to the right
  const total = levels[0].kept, kept = level().kept;
  $("level-text").textContent = kept === total ? `all ${count(total)}` : `${count(kept)} of ${count(total)}`;
  sliders.level.setAttribute("aria-valuetext", `${kept} of ${total} weights`);
  drawVerdicts();
  drawDepths();
}

function showMoment() {
  $("moment-text").textContent = `step ${count(moment().step)} of ${count(data.moments.at(-1).step)}`;
  sliders.moment.setAttribute("aria-valuetext", `step ${moment().step}`);
  for (const mark of markers) mark(moment().step);
  showLevel();
}

watchers.moment.push(showMoment);
watchers.level.push(showLevel);

sliders.moment.addEventListener("input", () => {
  stop();
  looking.moment = Number(sliders.moment.value);
  changed("moment");
});
sliders.level.addEventListener("input", () => {
  looking.level = moment().levels.length - 1 - Number(sliders.level.value);
  changed("level");
});

let playing = null;
function stop() {
  clearInterval(playing);
  playing = null;
  $("play").firstChild.textContent = "▶";
}
$("play").addEventListener("click", () => {
  if (playing) return stop();
  if (looking.moment === data.moments.length - 1) looking.moment = -1;
  $("play").firstChild.textContent = "❚❚";
  const next = () => {
    looking.moment += 1;
    sliders.moment.value = looking.moment;
    changed("moment");
    if (looking.moment === data.moments.length - 1) stop();
  };
  playing = setInterval(next, 600);
  next();
});

drawHistory();
drawStrengths();
changed("moment");

let resized = 0, width = $("matrix").clientWidth;
new ResizeObserver(() => {
  if ($("matrix").clientWidth === width) return;
  width = $("matrix").clientWidth;
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(redrawAll);
}).observe($("matrix"));
