// The pointer: names under it, moving when zoomed, zooming in by double-click
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
  seenRuns().forEach((r) => says(runs[r].name, view.labels[r], view.sures[r]));
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
  says();
  draw();
  writeAddress();
}
