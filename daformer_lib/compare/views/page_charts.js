// Tables and charts below the pictures; plain SVG.
const NS = "http://www.w3.org/2000/svg";
function svg(tag, attributes, text) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const chosen = () => state.classes.size === 1 ? [...state.classes][0] : null;

// --- class by class
const MEASURES = { iou: "IoU", precision: "precision", recall: "recall", coverage: "coverage",
  predicted: "share of all pixels" };
const COLUMNS = ["iou", "precision", "recall", "coverage"];
async function tablesAt(step) {
  const tallies = await Promise.all(runs.map((run, r) => tallyOf(r, placeAt(run, step))));
  return tallies.map((tally, r) => ({
    tally, rows: classTable(tally, state.threshold, runs[r].hasConfidence),
  }));
}
function winner(values) {
  const order = values.map((value, r) => [value, r]).filter(([v]) => !Number.isNaN(v))
    .sort((a, b) => b[0] - a[0]);
  if (order.length < 2) return null;
  return { run: order[0][1], lead: order[0][0] - order[1][0] };
}
function drawTable(found) {
  const table = $("table");
  table.textContent = "";
  const head = element("thead"), names = element("tr"), measures = element("tr");
  names.append(element("th", "", "class"));
  measures.append(element("th"));
  runs.forEach((run) => {
    const cell = element("th", "", run.name);
    cell.colSpan = COLUMNS.length;
    cell.style.borderTop = `3px solid ${css(run.colour)}`;
    names.append(cell);
    COLUMNS.forEach((measure) => measures.append(element("th", "", MEASURES[measure])));
  });
  const wins = element("th", "wins");
  const order = element("button", "", state.byLead ? "who wins ↓" : "who wins");
  order.type = "button";
  order.id = "by-lead";
  order.onclick = () => { state.byLead = !state.byLead; drawTable(found); };
  wins.append(order);
  names.append(wins);
  measures.append(element("th", "wins", "by IoU points"));
  head.append(names, measures);
  const body = element("tbody");
  let ids = spec.classes.map((_, id) => id).filter((id) => found.some(
    ({ rows }) => rows[id].predicted > 0 || !Number.isNaN(rows[id].iou)));
  const lead = (id) => winner(found.map(({ rows }) => rows[id].iou))?.lead ?? -1;
  if (state.byLead) ids = ids.sort((a, b) => lead(b) - lead(a));
  ids.forEach((id) => body.append(tableRow(found, (rows, m) => rows[id][m], id)));
  const mean = tableRow(found, (rows, m) => meanOf(rows, m), null);
  mean.className = "mean";
  body.append(mean);
  table.append(head, body);
}
function tableRow(found, value, id) {
  const line = element("tr", id !== null && state.classes.size && !state.classes.has(id) ? "off" : "");
  const name = element("th");
  if (id !== null) name.append(chip(palette()[id]));
  name.append(id === null ? "mean" : spec.classes[id]);
  line.append(name);
  const best = winner(found.map(({ rows }) => value(rows, "iou")));
  found.forEach(({ rows }, r) => COLUMNS.forEach((measure) => {
    const won = best && best.lead > 0 && best.run === r && measure === "iou";
    const kind = [won ? "best" : "", measure === "iou" ? "first" : ""].join(" ").trim();
    line.append(element("td", kind, percent(value(rows, measure))));
  }));
  const said = !best ? "–" : best.lead > 0 ? `${runs[best.run].name} +${percent(best.lead)}` : "tie";
  line.append(element("td", "wins", said));
  return line;
}
function drawWeights(found, view) {
  runs.forEach((run, r) => {
    const all = run.hasConfidence ? percent(weightOf(found[r].tally, state.threshold)) : "–";
    const miou = percent(meanOf(found[r].rows, "iou"));
    const text = `${stepText(run, state.step)} · mIoU ${miou} · weight ${all} %`;
    $(`weight-${r}`).textContent = data.hasTruth ? text : `${stepText(run, state.step)} · weight ${all} %`;
  });
}

// --- axes of a chart: shares from 0 to 1 upwards, anything to the right.
const BOX = { left: 46, right: 12, top: 12, bottom: 40, width: 640, height: 330 };
function axes(xLow, xHigh, xName, yName, xTicks, yHigh = 1) {
  const made = svg("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img" });
  const x = (v) => BOX.left + (v - xLow) / (xHigh - xLow || 1) * (BOX.width - BOX.left - BOX.right);
  const y = (v) => BOX.height - BOX.bottom - v / yHigh * (BOX.height - BOX.top - BOX.bottom);
  for (let k = 0; k <= 5; k++) {
    const v = yHigh * k / 5;
    made.append(svg("line", { x1: x(xLow), x2: x(xHigh), y1: y(v), y2: y(v), stroke: "#e4e8ec" }));
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
    stroke: css(colour), "stroke-width": 2.2, "stroke-linejoin": "round" });
}
function dots(points, colour) {
  return points.map(([cx, cy]) => svg("circle", { cx, cy, r: 3.4, fill: css(colour) }));
}
function keys(entries) {
  const made = element("div", "keys");
  entries.forEach(([name, colour, text]) => {
    const entry = element("span"), mark = element("i");
    mark.style.background = css(colour);
    entry.append(mark, `${name}${text}`);
    made.append(entry);
  });
  return made;
}

// --- calibration
function drawReliability(found) {
  const id = chosen(), ids = id === null ? spec.classes.map((_, i) => i) : [id];
  const place = $("reliability");
  place.textContent = "";
  const what = id === null ? "all classes" : `pixels predicted as ${spec.classes[id]}`;
  const able = runs.map((run, r) => r).filter((r) => runs[r].hasConfidence && data.hasTruth);
  if (!able.length) {
    $("reliability-text").textContent = "Calibration needs truth and confidence; one of them is missing.";
    return;
  }
  $("reliability-text").textContent =
    `How often what is called so sure is right (${what}). Under the diagonal: overconfident.`;
  const { made, x, y } = axes(0, 1, "confidence", "% that is right", [0, 0.2, 0.4, 0.6, 0.8, 1]);
  made.append(svg("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), stroke: "#9aa5b1", "stroke-dasharray": "5 4" }));
  const entries = able.map((r) => {
    const { bins, ece } = reliabilityOf(found[r].tally, ids);
    const points = bins.filter((b) => b.pixels).map((b) => [x(b.sure / b.pixels), y(b.right / b.pixels)]);
    made.append(line(points, runs[r].colour), ...dots(points, runs[r].colour));
    return [runs[r].name, runs[r].colour, `: ECE ${percent(ece)} %`];
  });
  place.append(keys(entries), made);
}

// --- evolution of a class, or of the mean
async function drawEvolution() {
  const id = chosen(), measure = state.measure;
  const lines = await Promise.all(runs.map(async (run, r) => {
    const values = await Promise.all(run.steps.map(async (step, place) => {
      const table = classTable(await tallyOf(r, place), state.threshold, run.hasConfidence);
      return [step, id === null ? meanOf(table, measure) : table[id][measure]];
    }));
    return values.filter(([, value]) => !Number.isNaN(value));
  }));
  const place = $("evolution");
  place.textContent = "";
  $("evolution-text").textContent = id === null
    ? "Mean over classes; press a class in the legend for that one." : `Class: ${spec.classes[id]}.`;
  const everything = lines.flat().map(([, value]) => value);
  if (!everything.length) { place.append(element("p", "muted", "Not known for these sources.")); return; }
  const most = Math.max(...everything), tick = most < 0.05 ? 0.005 : 0.05;
  const top = Math.min(1, Math.ceil(most / tick + 0.2) * tick) || 0.01;
  const low = Math.min(...steps), high = Math.max(...steps);
  const few = steps.length > 8 ? steps.filter((_, i) => i % Math.ceil(steps.length / 8) === 0) : steps;
  const { made, x, y } = axes(low, high, "step", `${MEASURES[measure]} (%)`, few, top);
  made.append(svg("line", { x1: x(state.step), x2: x(state.step), y1: y(0), y2: y(top), stroke: "#9aa5b1",
    "stroke-dasharray": "2 4" }));
  const entries = [];
  lines.forEach((values, r) => {
    if (!values.length) return;
    const points = values.map(([step, value]) => [x(step), y(value)]);
    if (points.length === 1) points.push([x(high), points[0][1]]); // a state without a history
    made.append(line(points, runs[r].colour), ...dots(points, runs[r].colour));
    entries.push([runs[r].name, runs[r].colour, ` ${percent(values[values.length - 1][1])}`]);
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
    ? "Green: wrong before, right now. Red: right before, wrong now. Grey: neither is right."
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
  if (runs.length < 2) return;
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
