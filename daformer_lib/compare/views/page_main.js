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
// What images can be sorted by now; the error of a class only when one class is chosen.
function sortKeys() {
  const id = chosen(), keys = { name: { text: "name", of: null } };
  if (runs.length > 1) keys.disagreement = { text: "disagreement", of: (image) => image.disagreement };
  if (data.hasTruth) {
    keys.error = { text: "error", of: (image) => image.error };
    keys["class error"] = { text: id === null ? "error of a class (choose one)" : `error of ${spec.classes[id]}`,
      of: (image) => image.classError[id], off: id === null };
  }
  return keys;
}
function sortImages() {
  const keys = sortKeys();
  if (!keys[state.sort] || keys[state.sort].off) state.sort = data.hasTruth ? "error" : "name";
  options($("sort"), Object.entries(keys).map(([key, { text }]) => [text, key]), state.sort);
  for (const option of $("sort").options) option.disabled = Boolean(keys[option.value].off);
  const { of } = keys[state.sort], ordered = [...images];
  if (of) ordered.sort((a, b) => (of(b) ?? -1) - (of(a) ?? -1));
  else ordered.sort((a, b) => a.stem < b.stem ? -1 : 1);
  const text = (image) => of && of(image) !== null ? ` (${percent(of(image))} %)` : "";
  options($("image"), ordered.map((image) => [image.stem + text(image), image.stem]), state.stem);
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
  tellShown();
  const found = await tablesAt(state.step);
  if (mine !== turn) return;
  drawWeights(found);
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
function tellShown() {
  const { text, of } = sortKeys()[state.sort], image = current(), line = $("shown");
  const by = of && of(image) !== null ? `${text} (${percent(of(image))} %)` : text;
  line.textContent = "";
  line.append(element("strong", "", image.stem), ` · image ${$("image").selectedIndex + 1} of ${images.length} by ${by}`
    + ` · ${steps.length > 1 ? `step ${state.step}` : "one state"}`
    + (state.classes.size ? ` · only ${filterName()}` : "")
    + (state.runs.size < runs.length ? ` · ${state.runs.size} of ${runs.length} runs` : ""));
  $("of-classes").textContent = state.classes.size ? `, and of ${filterName()} only` : "";
}
function fail(text) {
  $("failure").textContent = text;
  $("failure").hidden = !text;
}
const safely = (work) => async (event) => {
  try { fail(""); await work(event); } catch (problem) { fail(`This page could not show that: ${problem.message}`); }
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
    made.onclick = safely(() => {
      seen.has(id) ? seen.delete(id) : seen.add(id);
      writeAddress(true);
      return classesChanged();
    });
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
  state.sort === "class error" ? chooseFirst() : sortImages();
  await show();
}

// --- the controls
function begin() { // the state at the start, and after a reset
  Object.assign(state, initial());
  for (const layer of ["label", data.hasTruth ? "error" : "disagreement", "confidence"]) {
    if (hasLayer[layer]) state.rows.add(layer);
  }
  state.sort = runs.length > 1 ? "disagreement" : data.hasTruth ? "error" : "name";
  state.measure = data.hasTruth ? "iou" : anyConfidence ? "coverage" : "predicted";
  state.stem = sortImages()[0].stem;
}
function box(name, text, isOn, change) {
  const label = element("label"), made = element("input");
  made.type = "checkbox";
  made.name = name;
  made.checked = isOn;
  label.append(made, ` ${text}`);
  made.onchange = safely(() => change(made));
  return label;
}
async function rowsChanged() {
  buildPanels();
  drawLegend();
  writeAddress(true);
  await show();
}
function toggleRun(r) { // one run at least stays
  if (state.runs.has(r) && state.runs.size > 1) state.runs.delete(r); else state.runs.add(r);
  says();
  return rowsChanged();
}
function start() {
  begin();
  options($("class"), [["all classes", ""], ...spec.classes.map((name, id) => [name, id])], "");
  options($("palette"), Object.keys(spec.palettes).map((name) => [name, name]), state.palette);
  const measures = Object.entries(MEASURES).filter(([key]) => runs.some((run) => measurable(key, run)));
  options($("measure"), measures.map(([key, text]) => [text, key]), state.measure);
  const states = runs.flatMap((run, r) => run.steps.map((step, p) => [`${run.name}, ${stepText(run, step)}`, `${r} ${p}`]));
  options($("from"), states);
  options($("to"), states);
  $("step").max = steps.length - 1;
  $("step").disabled = $("play").disabled = steps.length < 2;
  $("opacity").disabled = !data.hasImages;
  for (const layer of Object.keys(LAYERS).filter((key) => hasLayer[key])) {
    $("rows").append(box(layer, LAYERS[layer], state.rows.has(layer), (made) => {
      made.checked ? state.rows.add(layer) : state.rows.delete(layer);
      return rowsChanged();
    }));
  }
  if (runs.length > 1) runs.forEach((run, r) => $("runs").append(box(String(r), `${r + 1} ${run.name}`, true, () => toggleRun(r))));
  $("runs").hidden = runs.length < 2;
  $("link-text").textContent = framed ? "" : "The address of this page holds the image, the runs, the classes and the view: copy it, and whoever opens it sees the same. The browser's back button leads back.";
  chooseFlow();
}
function chooseFlow() {
  const lastOf = (r) => `${r} ${runs[r].steps.length - 1}`;
  $("from").value = runs.length > 1 ? lastOf(0) : "0 0";
  $("to").value = lastOf(runs.length - 1);
  $("scope").value = "page";
}
// Every control as the state has it.
function says() {
  const at = { step: steps.indexOf(state.step), threshold: state.threshold, opacity: state.opacity, zoom: state.zoom,
    palette: state.palette, measure: state.measure, class: chosen() ?? "" };
  for (const [id, value] of Object.entries(at)) $(id).value = value;
  $("step-value").textContent = steps.length > 1 ? state.step : "one state";
  $("threshold-value").textContent = state.threshold.toFixed(3);
  $("opacity-value").textContent = state.opacity.toFixed(2);
  $("zoom-value").textContent = `${state.zoom}×`;
  $("rows").querySelectorAll("input").forEach((made) => { made.checked = state.rows.has(made.name); });
  $("runs").querySelectorAll("input").forEach((made) => { made.checked = state.runs.has(Number(made.name)); });
}
// Everything anew: after a reset, and when the address has changed.
async function rebuild() {
  sortImages();
  says();
  buildPanels();
  drawLegend();
  await show();
}
function reset() {
  begin();
  chooseFlow();
  writeAddress(true);
  return rebuild();
}
function on(id, event, change, lasting = true) {
  $(id).addEventListener(event, safely(async () => {
    await change($(id));
    says();
    writeAddress(lasting);
    await show();
  }));
}
const turnPage = (by) => {
  const select = $("image");
  select.selectedIndex = (select.selectedIndex + by + select.length) % select.length;
  state.stem = select.value;
  writeAddress(true);
  return show();
};
const turnStep = (by) => {
  state.step = steps[Math.min(Math.max(steps.indexOf(state.step) + by, 0), steps.length - 1)];
  says();
  writeAddress();
  return show();
};
function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  on("image", "change", (c) => { state.stem = c.value; });
  on("sort", "change", (c) => { state.sort = c.value; chooseFirst(); });
  on("class", "change", (c) => {
    state.classes = new Set(c.value === "" ? [] : [Number(c.value)]);
    drawLegend();
    state.sort === "class error" ? chooseFirst() : sortImages();
  });
  on("step", "input", (c) => { state.step = steps[Number(c.value)]; }, false);
  on("threshold", "input", (c) => { state.threshold = Number(c.value); }, false);
  on("palette", "change", (c) => { state.palette = c.value; drawLegend(); });
  on("measure", "change", (c) => { state.measure = c.value; });
  for (const id of ["from", "to", "scope"]) $(id).addEventListener("change", safely(drawFlow));
  $("opacity").addEventListener("input", safely(() => {
    state.opacity = Number($("opacity").value);
    says();
    draw();
    writeAddress();
  }));
  $("zoom").addEventListener("input", safely(() => setZoom(Number($("zoom").value))));
  $("previous").onclick = safely(() => turnPage(-1));
  $("next").onclick = safely(() => turnPage(1));
  $("reset").onclick = safely(reset);
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
  watchKeys();
  watchAddress();
}
safely(async () => { start(); listen(); fail(readAddress()); await rebuild(); drawApart(); })();
