// Controls, legend, pointer; and what is drawn again when something moves.
let view = null, turn = 0;

function options(select, entries, value) {
  select.textContent = "";
  entries.forEach(([text, key]) => {
    const made = element("option", "", text);
    made.value = key;
    select.append(made);
  });
  if (value !== undefined) select.value = value;
}
function sortImages() {
  const id = chosen(), key = {
    name: null, disagreement: (image) => image.disagreement, error: (image) => image.error,
    "class error": (image) => image.classError[id ?? 0],
  }[state.sort];
  const ordered = [...images];
  if (key) ordered.sort((a, b) => (key(b) ?? -1) - (key(a) ?? -1));
  else ordered.sort((a, b) => a.stem < b.stem ? -1 : 1);
  const text = (image) => key && key(image) !== null ? ` (${percent(key(image))} %)` : "";
  options($("image"), ordered.map((image) => [image.stem + text(image), image.stem]));
  return ordered;
}
function chooseFirst() {
  state.stem = sortImages()[0].stem;
  $("image").value = state.stem;
}

async function show() {
  const mine = ++turn;
  const loaded = await load(current(), state.step);
  if (mine !== turn) return; // another control has moved meanwhile
  view = loaded;
  draw();
  const found = await tablesAt(state.step);
  if (mine !== turn) return;
  drawWeights(found, view);
  drawTable(found);
  drawReliability(found);
  await drawEvolution();
  await drawFlow();
  document.body.dataset.ready = String(mine);
}
function draw() {
  panels.forEach((each) => drawPanel(each, view));
  $("panels").classList.toggle("zoomed", state.zoom > 1);
}
const safely = (work) => async (event) => {
  try { await work(event); $("failure").hidden = true; } catch (problem) {
    $("failure").textContent = `This page could not show that: ${problem.message}`;
    $("failure").hidden = false;
  }
};

// --- the legend: always there, and a filter
function drawLegend() {
  const place = $("legend");
  place.textContent = "";
  const seen = state.classes;
  palette().forEach((colour, id) => {
    const made = element("button", seen.size && !seen.has(id) ? "off" : "");
    made.type = "button";
    made.dataset.class = spec.classes[id];
    made.setAttribute("aria-pressed", seen.has(id));
    made.append(chip(colour), spec.classes[id]);
    made.onclick = safely(() => { seen.has(id) ? seen.delete(id) : seen.add(id); return classesChanged(); });
    place.append(made);
  });
  const ignored = element("span", "scale");
  ignored.append(chip(data.colours.ignored), "no label");
  place.append(ignored);
  if (state.rows.has("error")) place.append(mark(data.colours.right, "right"), mark(data.colours.wrong, "wrong"));
  if (state.rows.has("error") || state.rows.has("disagreement")) {
    place.append(ramp(data.colours.apart.slice(0, Math.min(4, runs.length)), "1", runs.length > 4 ? "4+" : runs.length, "sources"));
  }
  if (state.rows.has("confidence")) {
    const few = data.confidenceColours.filter((_, i) => i % 15 === 0);
    place.append(ramp(few, "0", "1", "confidence"));
  }
}
function mark(colour, text) {
  const made = element("span", "scale");
  made.append(chip(colour), text);
  return made;
}
function ramp(colours, low, high, name) {
  const made = element("span", "scale"), bar = element("span", "ramp");
  bar.style.background = colours.length > 1 ? `linear-gradient(90deg, ${colours.map(css).join(",")})` : css(colours[0]);
  made.append(`${name} ${low}`, bar, String(high));
  return made;
}
async function classesChanged() {
  const one = chosen();
  $("class").value = one === null ? "" : String(one);
  drawLegend();
  if (state.sort === "class error") chooseFirst();
  await show();
}

// --- the pointer: names under it, moving when zoomed, zooming in by double-click
function place(event) {
  const box = event.target.getBoundingClientRect(), { x, y, w, h } = region();
  return [
    Math.min(Math.floor(x + (event.clientX - box.left) / box.width * w), WIDTH - 1),
    Math.min(Math.floor(y + (event.clientY - box.top) / box.height * h), HEIGHT - 1),
  ];
}
function tell(event) {
  const tip = $("tip"), [x, y] = place(event), at = y * WIDTH + x;
  if (!view || x < 0 || y < 0) return;
  tip.textContent = "";
  const says = (who, label, sure) => {
    const line = element("div"), id = label[at];
    line.append(element("span", "who", who), chip(id < K ? palette()[id] : data.colours.ignored),
      element("b", "", id < K ? spec.classes[id] : "no label"));
    if (sure) line.append(`\u00a0${(sure[at] / 255).toFixed(2)}`);
    tip.append(line);
  };
  if (view.truth) says("truth", view.truth);
  runs.forEach((run, r) => says(run.name, view.labels[r], view.sures[r]));
  tip.append(element("div", "", `x ${x}, y ${y}`));
  tip.hidden = false;
  const left = event.clientX + 18 + tip.offsetWidth > innerWidth ? event.clientX - tip.offsetWidth - 14 : event.clientX + 18;
  const top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.max(top, 4)}px`;
}
function watchPointer() {
  const grid = $("panels");
  let held = null;
  const onCanvas = (event) => event.target.tagName === "CANVAS";
  grid.addEventListener("pointermove", (event) => {
    if (!onCanvas(event)) { $("tip").hidden = true; return; }
    if (held && state.zoom > 1) {
      const box = event.target.getBoundingClientRect();
      state.x = held.x - (event.clientX - held.at[0]) / box.width / state.zoom;
      state.y = held.y - (event.clientY - held.at[1]) / box.height / state.zoom;
      draw();
    }
    tell(event);
  });
  grid.addEventListener("pointerdown", (event) => {
    if (!onCanvas(event)) return;
    const { x, y, w, h } = region();
    held = { at: [event.clientX, event.clientY], x: (x + w / 2) / WIDTH, y: (y + h / 2) / HEIGHT };
    tell(event);
  });
  addEventListener("pointerup", () => { held = null; });
  grid.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  grid.addEventListener("dblclick", (event) => {
    if (!onCanvas(event)) return;
    const [x, y] = place(event);
    setZoom(Math.min(state.zoom * 2, 12), (x + 0.5) / WIDTH, (y + 0.5) / HEIGHT);
  });
}
function setZoom(zoom, x = state.x, y = state.y) {
  Object.assign(state, { zoom, x, y });
  $("zoom").value = zoom;
  $("zoom-value").textContent = `${zoom}×`;
  draw();
}

// --- the controls
function start() {
  for (const layer of ["label", data.hasTruth ? "error" : "disagreement", "confidence"]) {
    if (hasLayer[layer]) state.rows.add(layer);
  }
  const sorts = ["name", ...(runs.length > 1 ? ["disagreement"] : []), ...(data.hasTruth ? ["error", "class error"] : [])];
  state.sort = runs.length > 1 ? "disagreement" : sorts[sorts.length - 1] === "name" ? "name" : "error";
  options($("sort"), sorts.map((s) => [s, s]), state.sort);
  options($("class"), [["all classes", ""], ...spec.classes.map((name, id) => [name, id])], "");
  options($("palette"), Object.keys(spec.palettes).map((name) => [name, name]), state.palette);
  options($("measure"), Object.entries(MEASURES).map(([key, text]) => [text, key]), state.measure);
  const states = runs.flatMap((run, r) => run.steps.map((step, p) => [`${run.name}, ${stepText(run, step)}`, `${r} ${p}`]));
  const lastOf = (r) => `${r} ${runs[r].steps.length - 1}`;
  options($("from"), states, runs.length > 1 ? lastOf(0) : "0 0");
  options($("to"), states, lastOf(runs.length - 1));
  $("step").max = steps.length - 1;
  $("step").value = steps.indexOf(state.step);
  $("step").disabled = $("play").disabled = steps.length < 2;
  $("threshold").value = state.threshold;
  $("opacity").disabled = !data.hasImages;
  for (const layer of Object.keys(LAYERS).filter((key) => hasLayer[key])) {
    const label = element("label"), box = element("input");
    box.type = "checkbox";
    box.checked = state.rows.has(layer);
    box.name = layer;
    label.append(box, ` ${LAYERS[layer]}`);
    box.onchange = safely(() => {
      box.checked ? state.rows.add(layer) : state.rows.delete(layer);
      buildPanels();
      drawLegend();
      return show();
    });
    $("rows").append(label);
  }
  says();
  buildPanels();
  drawLegend();
  drawApart();
  chooseFirst();
}
function says() {
  $("step-value").textContent = state.step;
  $("threshold-value").textContent = state.threshold.toFixed(3);
  $("opacity-value").textContent = state.opacity.toFixed(2);
  $("zoom-value").textContent = `${state.zoom}×`;
}
function on(id, event, change) {
  $(id).addEventListener(event, safely(async () => { await change($(id)); says(); await show(); }));
}
function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  on("image", "change", (c) => { state.stem = c.value; });
  on("sort", "change", (c) => { state.sort = c.value; chooseFirst(); });
  on("class", "change", (c) => {
    state.classes = new Set(c.value === "" ? [] : [Number(c.value)]);
    return classesChanged();
  });
  on("step", "input", (c) => { state.step = steps[Number(c.value)]; });
  on("threshold", "input", (c) => { state.threshold = Number(c.value); });
  on("palette", "change", (c) => { state.palette = c.value; drawLegend(); });
  on("measure", "change", (c) => { state.measure = c.value; });
  for (const id of ["from", "to", "scope"]) $(id).addEventListener("change", safely(drawFlow));
  $("opacity").addEventListener("input", safely(() => { state.opacity = Number($("opacity").value); says(); draw(); }));
  $("zoom").addEventListener("input", safely(() => setZoom(Number($("zoom").value))));
  const turnPage = (by) => safely(() => {
    const select = $("image");
    select.selectedIndex = (select.selectedIndex + by + select.length) % select.length;
    state.stem = select.value;
    return show();
  });
  $("previous").onclick = turnPage(-1);
  $("next").onclick = turnPage(1);
  let playing = null;
  $("play").onclick = () => {
    clearInterval(playing);
    const stopped = playing !== null;
    playing = stopped ? null : setInterval(() => {
      $("step").value = (Number($("step").value) + 1) % steps.length;
      $("step").dispatchEvent(new Event("input"));
    }, 900);
    $("play").textContent = stopped ? "▶" : "❚❚";
  };
  let waiting = null;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => view && draw(), 120); });
  watchPointer();
}
safely(async () => { start(); listen(); await show(); })();
