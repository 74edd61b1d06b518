// The pictures: one row per layer, one column for the scene and one per source.
const panels = []; // { canvas, layer, run (null: the scene), caption }

const hasLayer = {
  label: true, sure: runs.some((run) => run.hasConfidence),
  confidence: runs.some((run) => run.hasConfidence), error: data.hasTruth,
  disagreement: runs.length > 1,
};
const SCENES = {
  label: data.hasTruth ? "truth" : "image", sure: data.hasTruth ? "truth" : "image",
  confidence: "image", error: "how many are wrong", disagreement: "how many differ",
};

function buildPanels() {
  const grid = $("panels"), seen = seenRuns();
  grid.textContent = "";
  panels.length = 0;
  grid.style.gridTemplateColumns = `repeat(${seen.length + 1}, minmax(210px, ${WIDTH * 2}px))`;
  grid.append(head("scene", "var(--edge)"));
  seen.forEach((r) => grid.append(head(runs[r].name, runColour(r), r)));
  for (const layer of Object.keys(LAYERS)) {
    if (!state.rows.has(layer)) continue;
    grid.append(panel(layer, null), ...seen.map((r) => panel(layer, r)));
  }
}
function head(name, colour, r) {
  const made = element("div", "head", name);
  made.style.borderColor = colour;
  const below = element("small", "", r === undefined ? "\u00a0" : "");
  if (r !== undefined) below.id = `weight-${r}`;
  made.append(below);
  return made;
}
function panel(layer, r) {
  const figure = element("figure"), canvas = element("canvas"), why = element("p", "why");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  canvas.style.aspectRatio = why.style.aspectRatio = `${WIDTH} / ${HEIGHT}`;
  canvas.dataset.layer = layer;
  canvas.dataset.run = r === null ? "scene" : runs[r].name;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${r === null ? SCENES[layer] : `${runs[r].name}: ${LAYERS[layer]}`}`);
  why.hidden = true;
  const caption = element("figcaption");
  caption.append(element("span", "", r === null ? SCENES[layer] : LAYERS[layer]), element("span"));
  figure.append(canvas, why, caption);
  panels.push({ canvas, layer, run: r, why, note: caption.lastChild });
  return figure;
}

// --- one image at one step, unpacked.
async function load(image, step) {
  const places = runs.map((run) => placeAt(run, step));
  const wanted = (of) => places.map((place, r) => state.runs.has(r) ? of(image, r, place) : null);
  const [picture, truth, ...rest] = await Promise.all([
    pictureOf(image), truthOf(image), ...wanted(labelOf), ...wanted(sureOf),
  ]);
  const labels = rest.slice(0, runs.length), sures = rest.slice(runs.length);
  const seen = labels.filter((label) => label !== null); // of the runs that are shown
  return { image, step, picture, truth, labels, sures, seen, vote: vote(seen) };
}
// What most of the sources shown say; of equal ones, the earlier source's.
function vote(labels) {
  if (labels.length < 3) return labels[0];
  const best = labels[0].slice();
  for (let i = 0; i < best.length; i++) {
    let most = 0;
    for (const label of labels) {
      let votes = 0;
      for (const other of labels) votes += other[i] === label[i];
      if (votes > most) { most = votes; best[i] = label[i]; }
    }
  }
  return best;
}

// --- colours of 256 values as 32-bit pixels.
const pixel = ([red, green, blue]) => (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
function labelTable() {
  const table = new Uint32Array(256).fill(pixel(data.colours.ignored));
  palette().forEach((colour, id) => {
    const shown = !state.classes.size || state.classes.has(id);
    table[id] = pixel(shown ? colour : data.colours.faded);
  });
  return table;
}
const dimmed = (colour, factor = 0.24) => colour.map((v) => Math.round(v * factor));
const confidenceTable = (from) => Uint32Array.from(
  data.confidenceColours, (c, level) => pixel(level >= from ? c : dimmed(c, 0.42)));
const countTable = () => Uint32Array.from(
  { length: 256 }, (_, n) => pixel(n ? data.colours.apart[Math.min(n, 4) - 1] : data.colours.agree));

// --- the pixels of a panel; null where there is nothing to show.
function paint(view, layer, r) {
  const { labels, sures, truth, seen } = view;
  const out = new Uint32Array(WIDTH * HEIGHT);
  const concerned = (i, label) => !state.classes.size ||
    state.classes.has(label[i]) || (truth && state.classes.has(truth[i]));
  const faded = pixel(data.colours.faded), ignored = pixel(data.colours.ignored);
  if (r === null) {
    if (layer === "label" || layer === "sure") return truth && painted(out, truth, labelTable());
    if (layer === "confidence") return null; // the picture itself
    const table = countTable(), ofTruth = layer === "error";
    if (ofTruth && !truth) return null;
    for (let i = 0; i < out.length; i++) {
      const against = ofTruth ? truth[i] : view.vote[i];
      let n = 0, ours = !state.classes.size || state.classes.has(against);
      for (const label of seen) {
        n += label[i] !== against;
        ours ||= state.classes.has(label[i]);
      }
      out[i] = ofTruth && against === IGNORE ? ignored : ours ? table[n] : faded;
    }
    return out;
  }
  const label = labels[r], sure = sures[r], from = sureFrom(state.threshold);
  if (layer === "label") return painted(out, label, labelTable());
  if (layer === "sure") {
    if (!sure) return null;
    const table = labelTable();
    const dark = Uint32Array.from(table, (p) => pixel(dimmed([p & 255, p >> 8 & 255, p >> 16 & 255])));
    for (let i = 0; i < out.length; i++) out[i] = (sure[i] >= from ? table : dark)[label[i]];
    return out;
  }
  if (layer === "confidence") {
    if (!sure) return null;
    const table = confidenceTable(from);
    for (let i = 0; i < out.length; i++) {
      out[i] = !state.classes.size || state.classes.has(label[i]) ? table[sure[i]] : faded;
    }
    return out;
  }
  if (layer === "error") {
    if (!truth) return null;
    const right = pixel(data.colours.right), wrong = pixel(data.colours.wrong);
    for (let i = 0; i < out.length; i++) {
      out[i] = truth[i] === IGNORE ? ignored : !concerned(i, label) ? faded
        : label[i] === truth[i] ? right : wrong;
    }
    return out;
  }
  const table = labelTable(), agree = pixel(data.colours.agree);
  for (let i = 0; i < out.length; i++) out[i] = label[i] === view.vote[i] ? agree : table[label[i]];
  return out;
}
function painted(out, label, table) {
  for (let i = 0; i < out.length; i++) out[i] = table[label[i]];
  return out;
}

// --- drawing, with the part of the image that the zoom leaves.
const stage = element("canvas");
stage.width = WIDTH;
stage.height = HEIGHT;
function region() {
  const wide = 1 / state.zoom;
  const clamp = (middle) => Math.min(Math.max(middle - wide / 2, 0), 1 - wide);
  return { x: clamp(state.x) * WIDTH, y: clamp(state.y) * HEIGHT, w: wide * WIDTH, h: wide * HEIGHT };
}
function drawPanel({ canvas, layer, run, why, note }, view) {
  const scale = Math.max(1, Math.ceil((canvas.clientWidth || WIDTH) * (window.devicePixelRatio || 1) / WIDTH));
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  const pen = canvas.getContext("2d");
  const { x, y, w, h } = region();
  const put = (source, alpha) => {
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = alpha;
    pen.drawImage(source, x, y, w, h, 0, 0, canvas.width, canvas.height);
    pen.globalAlpha = 1;
  };
  pen.fillStyle = css(data.colours.faded);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const pixels = paint(view, layer, run);
  const overlaid = layer === "label" || layer === "sure";
  if (view.picture && (overlaid || pixels === null)) put(view.picture, 1);
  if (pixels) {
    stage.getContext("2d").putImageData(
      new ImageData(new Uint8ClampedArray(pixels.buffer), WIDTH, HEIGHT), 0, 0);
    put(stage, overlaid && view.picture ? state.opacity : 1);
  }
  const reason = pixels || (run === null && view.picture) ? "" : reasonOf(layer, run);
  why.textContent = reason;
  why.hidden = !reason;
  note.textContent = reason ? "" : noteOf(view, layer, run);
}
// Why there is nothing to show in a panel.
function reasonOf(layer, run) {
  if (layer === "confidence" || layer === "sure") {
    return run === null ? "no image at hand"
      : "This source came without confidence, so there is none to show.";
  }
  if (layer === "error") return "No truth for this image: right and wrong are not known.";
  return data.hasTruth ? "no truth for this image" : "no image at hand";
}
// The number under a panel: of this image, whatever the zoom; of the filter's classes, if any.
function noteOf(view, layer, r) {
  if (r === null) return "";
  const { truth, vote } = view, label = view.labels[r], sure = view.sures[r];
  const mask = new Uint8Array(256).fill(state.classes.size ? 0 : 1);
  state.classes.forEach((id) => { mask[id] = 1; });
  let part = 0, whole = 0;
  if (layer === "confidence" || layer === "sure") {
    const from = sureFrom(state.threshold);
    for (let i = 0; i < label.length; i++) {
      if (!mask[label[i]]) continue;
      whole += 1;
      part += sure[i] >= from;
    }
    return whole ? `${percent(part / whole)} % ≥ ${state.threshold.toFixed(3)}`
      : `nothing called ${filterName()}`;
  }
  const against = layer === "disagreement" ? vote : truth;
  if (!against) return "";
  for (let i = 0; i < label.length; i++) {
    if (against === truth && truth[i] === IGNORE) continue;
    if (!mask[label[i]] && !mask[against[i]]) continue;
    whole += 1;
    part += label[i] !== against[i];
  }
  if (!whole) return state.classes.size ? `no ${filterName()} here` : "";
  if (layer === "disagreement") return `${percent(part / whole)} % differ`;
  const id = chosen(); // missed or claimed: what is left of the union is the intersection
  return id === null ? `${percent(part / whole)} % wrong` : `IoU ${percent(1 - part / whole)}`;
}
