// Tables and charts below the pictures; plain SVG.
const NS = "http://www.w3.org/2000/svg";
function svg(tag, attributes, text) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// --- class by class
const MEASURES = { iou: "IoU", precision: "precision", recall: "recall", coverage: "coverage",
  predicted: "share of all pixels" };
const NEED_TRUTH = ["iou", "precision", "recall"];
const anyConfidence = runs.some((run) => run.hasConfidence);
const measurable = (measure, run) => NEED_TRUTH.includes(measure) ? data.hasTruth
  : measure === "coverage" ? run.hasConfidence : true;
// The columns of a run: what can be measured of it; its share of all pixels where nothing else can.
function columnsOf(run) {
  const known = ["iou", "precision", "recall", "coverage"].filter((m) => measurable(m, run));
  return data.hasTruth ? known : ["predicted", ...known];
}
async function tablesAt(step) {
  const tallies = await Promise.all(runs.map((run, r) => tallyOf(r, placeAt(run, step))));
  return tallies.map((tally, r) => ({
    tally, rows: classTable(tally, state.threshold, runs[r].hasConfidence),
  }));
}
function winner(values) { // of [value, run] pairs
  const order = values.filter(([v]) => !Number.isNaN(v)).sort((a, b) => b[0] - a[0]);
  if (order.length < 2) return null;
  return { run: order[0][1], lead: order[0][0] - order[1][0] };
}
function tableText() {
  const measures = data.hasTruth ? ["IoU, precision, recall"] : ["the share of all pixels predicted as the class"];
  if (anyConfidence) measures.push("coverage (the share of the pixels predicted as the class that reach the threshold)");
  const text = `At the chosen step and threshold, over all images, in percent: ${measures.join(", and ")}. `;
  const missing = runs.filter((run) => !run.hasConfidence).map((run) => run.name);
  const left = missing.length && anyConfidence ? ` No coverage of ${missing.join(", ")}: it came without confidence.` : "";
  return text + (data.hasTruth ? "A dash: the class is in neither truth nor prediction."
    : "IoU, precision and recall need truth, and these images have none.") + left;
}
function drawTable(found) {
  const table = $("table"), seen = seenRuns();
  $("table-text").textContent = tableText();
  table.textContent = "";
  const head = element("thead"), names = element("tr"), measures = element("tr");
  names.append(element("th", "", "class"));
  measures.append(element("th"));
  if (data.hasTruth) {
    const wins = element("th", "wins"), order = element("button", "", state.byLead ? "who wins ↓" : "who wins");
    order.type = "button";
    order.id = "by-lead";
    order.onclick = () => { state.byLead = !state.byLead; drawTable(found); };
    wins.append(order);
    names.append(wins);
    measures.append(element("th", "wins", "by IoU points"));
  }
  seen.forEach((r) => {
    const cell = element("th", "", runs[r].name), columns = columnsOf(runs[r]);
    cell.colSpan = columns.length;
    cell.style.borderTop = `3px solid ${runColour(r)}`;
    names.append(cell);
    columns.forEach((measure) => measures.append(element("th", "", MEASURES[measure])));
  });
  head.append(names, measures);
  const body = element("tbody");
  let ids = spec.classes.map((_, id) => id).filter((id) => seen.some(
    (r) => found[r].rows[id].predicted > 0 || !Number.isNaN(found[r].rows[id].iou)));
  const lead = (id) => winner(seen.map((r) => [found[r].rows[id].iou, r]))?.lead ?? -1;
  if (state.byLead) ids = ids.sort((a, b) => lead(b) - lead(a));
  ids.forEach((id) => body.append(tableRow(found, (rows, m) => rows[id][m], id)));
  body.append(...meanRows(found));
  table.append(head, body);
}
// One mean over the same classes for every source; and that of the authors' metric, where it differs.
function meanRows(found) {
  const ids = data.scored, name = data.hasTruth ? `mean of the ${ids.length} in the truth` : "mean";
  const made = [tableRow(found, (rows, m) => meanOf(rows, m, ids), null, name)];
  const strict = (rows, m) => m === "iou" ? meanOf(rows, m, spec.meanIds) : null;
  const differs = seenRuns().some((r) => Math.abs(strict(found[r].rows, "iou") - meanOf(found[r].rows, "iou", ids)) > 5e-5);
  if (differs) made.push(tableRow(found, strict, null, "with 0 for classes only predicted"));
  made[0].className = "mean";
  return made;
}
function tableRow(found, value, id, title) {
  const seen = seenRuns();
  const line = element("tr", id !== null && state.classes.size && !state.classes.has(id) ? "off" : "");
  const name = element("th");
  if (id !== null) name.append(chip(palette()[id]));
  name.append(id === null ? title : spec.classes[id]);
  line.append(name);
  const best = winner(seen.map((r) => [value(found[r].rows, "iou"), r]));
  const said = !best ? "–" : best.lead > 0 ? `${runs[best.run].name} +${percent(best.lead)}` : "tie";
  if (data.hasTruth) line.append(element("td", "wins", said));
  seen.forEach((r) => columnsOf(runs[r]).forEach((measure, at) => {
    const won = best && best.lead > 0 && best.run === r && measure === "iou";
    const kind = [won ? "best" : "", at === 0 ? "first" : ""].join(" ").trim();
    const number = value(found[r].rows, measure);
    line.append(element("td", kind, number === null ? "" : percent(number)));
  }));
  return line;
}
function drawWeights(found) {
  const ids = counted(), some = state.classes.size;
  const what = some === 1 ? `${filterName()} IoU` : some ? `mean IoU of ${filterName()}` : "mIoU";
  seenRuns().forEach((r) => {
    const said = [stepText(runs[r], state.step)];
    if (data.hasTruth) said.push(`${what} ${percent(meanOf(found[r].rows, "iou", ids))}`);
    const levels = some ? ids : [...Array(K + 1).keys()];
    const weight = weightOf(found[r].tally, state.threshold, levels);
    said.push(!runs[r].hasConfidence ? "no confidence"
      : Number.isNaN(weight) ? `nothing called ${filterName()}` : `${some ? "coverage" : "weight"} ${percent(weight)} %`);
    $(`weight-${r}`).textContent = said.join(" · ");
  });
}

// --- axes of a chart: shares from 0 to 1 upwards, anything to the right.
const BOX = { left: 46, right: 12, top: 12, bottom: 40, width: 640, height: 330 };
const fitBox = (place) => { BOX.width = Math.max(300, Math.min(640, place.clientWidth || 640)); };
function axes(xLow, xHigh, xName, yName, xTicks, yHigh = 1) {
  const made = svg("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, width: BOX.width,
    role: "img", "aria-label": `${yName} against ${xName}; the numbers are in the key above and in the table` });
  const x = (v) => BOX.left + (v - xLow) / (xHigh - xLow || 1) * (BOX.width - BOX.left - BOX.right);
  const y = (v) => BOX.height - BOX.bottom - v / yHigh * (BOX.height - BOX.top - BOX.bottom);
  for (let k = 0; k <= 5; k++) {
    const v = yHigh * k / 5;
    made.append(svg("line", { x1: x(xLow), x2: x(xHigh), y1: y(v), y2: y(v), class: "grid" }));
    made.append(svg("text", { x: BOX.left - 6, y: y(v) + 4, "text-anchor": "end", class: "soft" },
      (100 * v).toFixed(yHigh < 0.05 ? 1 : 0)));
  }
  xTicks.forEach((v) => made.append(svg("text", { x: x(v), y: BOX.height - BOX.bottom + 17,
    "text-anchor": "middle", class: "soft" }, String(v))));
  made.append(svg("text", { x: (x(xLow) + x(xHigh)) / 2, y: BOX.height - 5, "text-anchor": "middle" }, xName));
  made.append(svg("text", { x: 12, y: BOX.height / 2, transform: `rotate(-90 12 ${BOX.height / 2})`,
    "text-anchor": "middle" }, yName));
  return { made, x, y };
}
function line(points, colour) {
  return svg("polyline", { points: points.map((p) => p.join(",")).join(" "), fill: "none",
    style: `stroke: ${colour}`, "stroke-width": 2.2, "stroke-linejoin": "round" });
}
function dots(points, colour) {
  return points.map(([cx, cy]) => svg("circle", { cx, cy, r: 3.4, style: `fill: ${colour}` }));
}
function keys(entries) {
  const made = element("div", "keys");
  entries.forEach(([name, colour, text]) => {
    const entry = element("span"), mark = element("i");
    mark.style.background = colour;
    entry.append(mark, `${name}${text}`);
    made.append(entry);
  });
  return made;
}

// --- calibration
function drawReliability(found) {
  const some = state.classes.size, ids = some ? [...state.classes] : spec.classes.map((_, i) => i);
  const place = $("reliability");
  place.textContent = "";
  fitBox(place);
  const what = some ? `pixels predicted as ${filterName()}` : "all classes";
  const able = seenRuns().filter((r) => runs[r].hasConfidence);
  if (!data.hasTruth || !able.length) {
    const lacking = [...(data.hasTruth ? [] : ["truth"]), ...(able.length ? [] : ["confidence"])];
    $("reliability-text").textContent =
      `Calibration needs truth and confidence; there is no ${lacking.join(" and no ")} here.`;
    return;
  }
  $("reliability-text").textContent =
    `How often what is called so sure is right (${what}). Under the diagonal: overconfident.`;
  const { made, x, y } = axes(0, 1, "confidence", "% that is right", [0, 0.2, 0.4, 0.6, 0.8, 1]);
  made.append(svg("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: "aid", "stroke-dasharray": "5 4" }));
  const entries = able.map((r) => {
    const { bins, ece } = reliabilityOf(found[r].tally, ids);
    const points = bins.filter((b) => b.pixels).map((b) => [x(b.sure / b.pixels), y(b.right / b.pixels)]);
    made.append(line(points, runColour(r)), ...dots(points, runColour(r)));
    return [runs[r].name, runColour(r), `: ECE ${percent(ece)} %`];
  });
  place.append(keys(entries), made);
}

// --- evolution of a class, or of the mean
async function drawEvolution() {
  const measure = state.measure, ids = counted(), able = seenRuns().filter((r) => measurable(measure, runs[r]));
  const lines = await Promise.all(able.map(async (r) => {
    const values = await Promise.all(runs[r].steps.map(async (step, place) => {
      const table = classTable(await tallyOf(r, place), state.threshold, runs[r].hasConfidence);
      return [step, meanOf(table, measure, ids)];
    }));
    return values.filter(([, value]) => !Number.isNaN(value));
  }));
  const place = $("evolution");
  place.textContent = "";
  fitBox(place);
  $("evolution-text").textContent = !state.classes.size
    ? "Mean over classes; press a class in the legend for that one."
    : chosen() === null ? `Mean over ${filterName()}.` : `Class: ${filterName()}.`;
  if (steps.length < 2) {
    place.append(element("p", "muted", "There is one state of each source: nothing to follow over steps."));
    return;
  }
  const everything = lines.flat().map(([, value]) => value);
  if (!everything.length) { place.append(element("p", "muted", 
    able.length ? "These classes are in neither truth nor prediction." : "The sources shown came without confidence.")); return; }
  const most = Math.max(...everything), tick = most < 0.05 ? 0.005 : 0.05;
  const top = Math.min(1, Math.ceil(most / tick + 0.2) * tick) || 0.01;
  const low = Math.min(...steps), high = Math.max(...steps);
  const few = steps.length > 8 ? steps.filter((_, i) => i % Math.ceil(steps.length / 8) === 0) : steps;
  const { made, x, y } = axes(low, high, "step", `${MEASURES[measure]} (%)`, few, top);
  made.append(svg("line", { x1: x(state.step), x2: x(state.step), y1: y(0), y2: y(top), class: "aid",
    "stroke-dasharray": "2 4" }));
  const entries = [];
  lines.forEach((values, at) => {
    if (!values.length) return;
    const r = able[at];
    const points = values.map(([step, value]) => [x(step), y(value)]);
    if (points.length === 1) points.push([x(high), points[0][1]]); // a state without a history
    made.append(line(points, runColour(r)), ...dots(points, runColour(r)));
    entries.push([runs[r].name, runColour(r), ` ${percent(values[values.length - 1][1])}`]);
  });
  place.append(keys(entries), made);
}

// --- which class became which
async function drawFlow() {
  const [[ra, sa], [rb, sb]] = ["from", "to"].map((id) => $(id).value.split(" ").map(Number));
  const over = $("scope").value === "image" ? [current()] : images;
  const kinds = K + 1, moved = new Map();
  let changed = 0, total = 0;
  for (const image of over) {
    const [truth, a, b] = await Promise.all([truthOf(image), labelOf(image, ra, sa), labelOf(image, rb, sb)]);
    total += a.length;
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      changed += 1;
      const key = Math.min(a[i], K) * kinds + Math.min(b[i], K);
      if (!moved.has(key)) moved.set(key, { pixels: 0, gained: 0, lost: 0 });
      const move = moved.get(key);
      move.pixels += 1;
      if (truth && truth[i] === b[i]) move.gained += 1;
      else if (truth && truth[i] === a[i]) move.lost += 1;
    }
  }
  let found = [...moved].map(([key, move]) => ({ ...move, a: Math.floor(key / kinds), b: key % kinds }));
  if (state.classes.size) found = found.filter((m) => state.classes.has(m.a) || state.classes.has(m.b));
  found.sort((p, q) => q.pixels - p.pixels);
  $("flow-text").textContent = `${percent(changed / total)} % of the pixels change their class. ` + (data.hasTruth
    ? "Teal: wrong before, right now. Red, hatched: right before, wrong now. Grey: neither is right."
    : "Whether they became right is not known without truth.");
  const place = $("flow"), most = found.length ? found[0].pixels : 1;
  place.textContent = "";
  found.slice(0, 14).forEach((move) => {
    const name = element("span", "move");
    const colour = (id) => id < K ? palette()[id] : data.colours.ignored;
    name.append(chip(colour(move.a)), className(move.a), " → ", chip(colour(move.b)), className(move.b));
    const track = element("span", "track");
    for (const [kind, pixels] of [["gained", move.gained], ["lost", move.lost],
      ["rest", move.pixels - move.gained - move.lost]]) {
      const part = element("span", kind);
      part.style.width = `${100 * pixels / most}%`;
      track.append(part);
    }
    place.append(name, track, element("span", "number", `${percent(move.pixels / total, 2)} %`));
  });
}

function drawApart() {
  const table = $("apart");
  table.textContent = "";
  $("apart-step").textContent = data.step;
  $("h-apart").parentElement.hidden = runs.length < 2;
  const head = element("tr");
  head.append(element("th"), ...runs.map((run) => element("th", "", run.name)));
  table.append(head);
  runs.forEach((run, r) => {
    const cells = element("tr");
    cells.append(element("th", "", run.name));
    data.apart[r].forEach((value, other) => cells.append(element("td", "", r === other ? "" : percent(value))));
    table.append(cells);
  });
}
