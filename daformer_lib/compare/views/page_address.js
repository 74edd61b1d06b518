// The address holds what is shown, so that it can be sent to somebody; and the keys.
const framed = window.parent !== window; // inside a notebook's cell the address is the notebook's
let pending = null;

// Only what differs from the start, and the image always.
function addressOf() {
  const said = new URLSearchParams(), first = initial();
  said.set("image", state.stem);
  if (state.step !== first.step) said.set("step", state.step);
  if (state.threshold !== first.threshold) said.set("threshold", state.threshold);
  if (state.opacity !== first.opacity) said.set("opacity", state.opacity);
  if (state.palette !== first.palette) said.set("colours", state.palette);
  if (state.runs.size < runs.length) seenRuns().forEach((r) => said.append("run", runs[r].name));
  state.classes.forEach((id) => said.append("class", spec.classes[id]));
  state.rows.forEach((layer) => said.append("view", layer));
  said.set("sort", state.sort);
  if (state.zoom > 1) said.set("zoom", [state.zoom, state.x.toFixed(3), state.y.toFixed(3)].join(" "));
  return `#${said}`;
}
// Chosen things get an entry of their own for the back button; sliders rewrite the one there is.
function writeAddress(lasting = false) {
  if (framed) return;
  clearTimeout(pending);
  pending = null;
  const write = () => { if (addressOf() !== location.hash) history[lasting ? "pushState" : "replaceState"](null, "", addressOf()); };
  if (lasting) write(); else pending = setTimeout(write, 250);
}
// The state from the address; says in words what of it this page does not have.
function readAddress() {
  const said = new URLSearchParams(framed ? "" : location.hash.slice(1)), unknown = [];
  begin();
  const one = (key, known, change) => {
    if (!said.has(key)) return;
    if (known(said.get(key))) change(said.get(key)); else unknown.push(`${key} ${said.get(key)}`);
  };
  const many = (key, place) => {
    const places = said.getAll(key).map((name) => [name, place(name)]);
    places.filter(([, at]) => at < 0).forEach(([name]) => unknown.push(`${key} ${name}`));
    return places.map(([, at]) => at).filter((at) => at >= 0);
  };
  const share = (text) => text.trim() !== "" && Number(text) >= 0 && Number(text) <= 1;
  one("step", (text) => steps.includes(Number(text)), (text) => { state.step = Number(text); });
  one("threshold", share, (text) => { state.threshold = Number(text); });
  one("opacity", share, (text) => { state.opacity = Number(text); });
  one("colours", (text) => text in spec.palettes, (text) => { state.palette = text; });
  const seen = many("run", (name) => runs.findIndex((run) => run.name === name));
  if (seen.length) state.runs = new Set(seen);
  state.classes = new Set(many("class", (name) => spec.classes.indexOf(name)));
  const layers = Object.keys(LAYERS).filter((key) => hasLayer[key]);
  const rows = many("view", (name) => layers.indexOf(name)).map((at) => layers[at]);
  if (rows.length) state.rows = new Set(rows);
  one("sort", (text) => text in sortKeys(), (text) => { state.sort = text; });
  const wanted = (text) => text.split(" ").map(Number);
  one("zoom", (text) => wanted(text).length === 3 && wanted(text)[0] >= 1 && wanted(text)[0] <= 12
    && wanted(text).slice(1).every((v) => v >= 0 && v <= 1), (text) => {
    [state.zoom, state.x, state.y] = wanted(text);
  });
  one("image", (text) => images.some((image) => image.stem === text), (text) => { state.stem = text; });
  return unknown.length ? `The address asks for what this page does not hold: ${unknown.join(", ")}. The rest of it is shown.` : "";
}
function watchAddress() {
  addEventListener("popstate", safely(async () => {
    const missing = readAddress();
    await rebuild();
    fail(missing);
  }));
}

// --- keys: not where a field has its own use for them
function watchKeys() {
  const help = $("help"), more = $("more"), bar = $("controls");
  const open = (wide) => {
    bar.classList.toggle("open", wide);
    more.setAttribute("aria-expanded", wide);
    more.textContent = wide ? "less" : "more";
  };
  more.onclick = () => open(!bar.classList.contains("open"));
  $("ask").onclick = () => help.showModal();
  addEventListener("keydown", safely(async (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (event.key === "Escape") {
      open(false);
      $("tip").hidden = true;
      return;
    }
    const field = event.target.tagName, range = event.target.type === "range";
    if (field === "SELECT" || field === "TEXTAREA" || (range && event.key.startsWith("Arrow"))) return;
    const does = {
      ArrowLeft: () => event.shiftKey ? turnStep(-1) : turnPage(-1),
      ArrowRight: () => event.shiftKey ? turnStep(1) : turnPage(1),
      "?": () => help.showModal(), r: reset,
      0: () => { state.runs = new Set(all); says(); return rowsChanged(); },
    }[event.key] ?? (/^[1-9]$/.test(event.key) && Number(event.key) <= runs.length
      ? () => toggleRun(Number(event.key) - 1) : null);
    if (!does) return;
    event.preventDefault();
    await does();
  }));
}
