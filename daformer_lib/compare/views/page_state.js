// What the page knows: the data, what the controls say, and unpacked maps and counts.
const data = JSON.parse(document.getElementById("data").textContent);
const { spec, runs, images, steps } = data;
const K = spec.classes.length, IGNORE = 255, LEVELS = 256;
const [WIDTH, HEIGHT] = data.size;
const $ = (id) => document.getElementById(id);
const LAYERS = {
  label: "pseudo-label", confidence: "confidence", error: "error", sure: "confident only",
  disagreement: "disagreement",
};
const all = runs.map((_, r) => r);
const initial = () => ({
  stem: null, step: data.step, threshold: data.threshold, opacity: 1, classes: new Set(),
  runs: new Set(all), rows: new Set(), palette: Object.keys(spec.palettes)[0], sort: "name",
  zoom: 1, x: 0.5, y: 0.5, // scale, and the middle of what is seen, in shares
  measure: "iou", byLead: false,
});
const state = initial();
const seenRuns = () => all.filter((r) => state.runs.has(r));

// --- text and elements: names come from data, so they are only ever set as text.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
function chip(rgb) {
  const made = element("i", "chip");
  made.style.background = css(rgb);
  return made;
}
const runColour = (r) => `var(--run-${r})`; // as it is seen in a light or a dark theme
const css = (colour) => typeof colour === "string" ? colour : `rgb(${colour.join(",")})`;
const className = (id) => id < K ? spec.classes[id] : "nothing";
const percent = (value, digits = 1) =>
  value === null || Number.isNaN(value) ? "–" : (100 * value).toFixed(digits);
const palette = () => spec.palettes[state.palette];
// What is counted: the classes of the filter, else those that occur in the truth (or all).
const chosen = () => state.classes.size === 1 ? [...state.classes][0] : null;
const counted = () => state.classes.size ? [...state.classes] : data.scored;
const filterName = () => state.classes.size > 2 ? `these ${state.classes.size} classes`
  : [...state.classes].map((id) => spec.classes[id]).join(" and ");
const current = () => images.find((image) => image.stem === state.stem);

// --- a run's state at a step: its last one not after it, else its first.
function placeAt(run, step) {
  let place = 0;
  run.steps.forEach((own, i) => { if (own <= step) place = i; });
  return place;
}
const stepText = (run, step) => {
  const own = run.steps[placeAt(run, step)];
  return run.steps.length === 1 && own === 0 ? "one state" : `step ${own}`;
};

// --- unpacking: base64, deflate, differences to the row above.
const kept = new Map();
function once(key, make) {
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key);
}
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
async function unpackMap(text) {
  const map = new Uint8Array(await unpack(text));
  for (let i = WIDTH; i < map.length; i++) map[i] += map[i - WIDTH];
  return map;
}
const mapOf = (key, text) => text ? once(key, () => unpackMap(text)) : Promise.resolve(null);
const truthOf = (image) => mapOf(`truth ${image.stem}`, image.truth);
const labelOf = (image, r, place) => mapOf(`label ${r} ${place} ${image.stem}`, image.labels[r][place]);
const sureOf = (image, r, place) => mapOf(`sure ${r} ${place} ${image.stem}`, image.confidences[r][place]);
function pictureOf(image) {
  if (!image.picture) return Promise.resolve(null);
  return once(`picture ${image.stem}`, async () => {
    const picture = new Image();
    picture.src = image.picture;
    await picture.decode();
    return picture;
  });
}

// --- counts of a run at a step over all images, and what follows from them.
const tallyOf = (r, place) => once(`tally ${r} ${place}`, async () => {
  const all = new Float64Array(await unpack(runs[r].tallies[place]));
  const a = (K + 1) * LEVELS, b = a + K * LEVELS, c = b + K * LEVELS;
  return { said: all.subarray(0, a), known: all.subarray(a, b), right: all.subarray(b, c),
    truth: all.subarray(c, c + K) };
});
const sum = (values, from = 0, to = values.length) => {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i];
  return total;
};
// The lowest of the 256 levels that reaches the threshold.
const sureFrom = (threshold) => {
  for (let level = 0; level < LEVELS; level++) if (level / 255 >= threshold) return level;
  return LEVELS;
};
const share = (part, whole) => whole > 0 ? part / whole : NaN;
const row = (counts, id, from = 0) => sum(counts, id * LEVELS + from, (id + 1) * LEVELS);

function classTable(tally, threshold, hasConfidence) {
  const from = sureFrom(threshold), total = sum(tally.said), hasTruth = sum(tally.truth) > 0;
  return spec.classes.map((_, id) => {
    const hit = row(tally.right, id), known = row(tally.known, id), truth = tally.truth[id];
    const said = row(tally.said, id), sure = row(tally.said, id, from);
    return {
      iou: hasTruth ? share(hit, truth + known - hit) : NaN,
      precision: hasTruth ? share(hit, known) : NaN,
      recall: hasTruth ? share(hit, truth) : NaN,
      coverage: hasConfidence ? share(sure, said) : NaN,
      predicted: said / total,
    };
  });
}
function meanOf(table, measure, ids = counted()) {
  const values = ids.map((id) => table[id][measure]).filter((v) => !Number.isNaN(v));
  return values.length ? sum(values) / values.length : NaN;
}
// Share of the pixels that reach the threshold: of all, or of those predicted as these classes.
function weightOf(tally, threshold, ids) {
  const from = sureFrom(threshold);
  let sure = 0, said = 0;
  for (const id of ids) { sure += row(tally.said, id, from); said += row(tally.said, id); }
  return share(sure, said);
}
// Bins of confidence: pixels, mean confidence, share that is right; over the classes given.
function reliabilityOf(tally, ids, bins = 10) {
  const found = Array.from({ length: bins }, () => ({ pixels: 0, sure: 0, right: 0 }));
  for (const id of ids) {
    for (let level = 0; level < LEVELS; level++) {
      const bin = found[Math.min(Math.floor(level / 255 * bins), bins - 1)];
      const pixels = tally.known[id * LEVELS + level];
      bin.pixels += pixels;
      bin.sure += pixels * level / 255;
      bin.right += tally.right[id * LEVELS + level];
    }
  }
  const total = sum(found.map((bin) => bin.pixels));
  const ece = total ? sum(found.map((bin) => Math.abs(bin.sure - bin.right))) / total : NaN;
  return { bins: found, total, ece };
}
