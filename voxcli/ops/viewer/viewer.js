// The page: legend, slices, views, modes, theme, keys, and one camera for all panes.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const { legend, scores } = data;
const hidden = { rows: new Set(), categories: new Set() };
const shared = {
  up: { value: new THREE.Vector3(...data.directions.up) }, sun: { value: new THREE.Vector3() }, lines: { value: 0.16 },
  outline: { value: new THREE.Vector3() }, scale: { value: 1 },
};
let renderer, camera, controls, panes = [], outline = [], seenFrom = "oblique", mode = "beside", waiting = false;

const shownPanes = () => (mode === "differences" ? panes.slice(-1) : panes.slice(0, scores ? -1 : undefined));
const isOn = (meaning) => !hidden.rows.has(meaning.row) && !hidden.categories.has(meaning.category);
const make = (tag, properties = {}, children = []) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// -- drawing ---------------------------------------------------------------------------------------------------------------------

function ask() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

const isWide = () => $("view").clientWidth > $("view").clientHeight;

function rectangles() {
  const { clientWidth: width, clientHeight: height } = $("view");
  const count = shownPanes().length, beside = isWide();
  const [w, h] = beside ? [width / count, height] : [width, height / count];
  return shownPanes().map((_, k) => (beside ? [k * w, 0, w, h] : [0, k * h, w, h]));
}

function draw() {
  waiting = false;
  const { clientWidth: width, clientHeight: height } = $("view");
  renderer.setPixelRatio(Math.min(devicePixelRatio || 1, 2));
  renderer.setSize(width, height, false);
  renderer.setScissorTest(true);
  const places = rectangles();
  const distance = camera.position.distanceTo(controls.target);
  camera.near = Math.max(distance * 0.001, (distance - 4 * reach()) / 2);
  camera.far = distance + 40 * reach();
  camera.aspect = places[0][2] / places[0][3];
  camera.updateProjectionMatrix();
  shared.scale.value = (places[0][3] * renderer.getPixelRatio()) / 2 / Math.tan((camera.fov * Math.PI) / 360);
  shownPanes().forEach((made, k) => {
    const [x, y, w, h] = places[k];
    renderer.setViewport(x, height - y - h, w, h);
    renderer.setScissor(x, height - y - h, w, h);
    renderer.render(made.scene, camera);
  });
}

const box = () => [0, 1].map((end) => [0, 1, 2].map((k) => Math[end ? "max" : "min"](...data.panes.map((pane) => pane.box[end][k]))));
const reach = () => Math.max(new THREE.Vector3(...box()[0]).distanceTo(new THREE.Vector3(...box()[1])) / 2, 1e-6);

// -- views -----------------------------------------------------------------------------------------------------------------------

function viewsOf() {
  const { up, front, own } = data.directions;
  const upward = new THREE.Vector3(...up), toFront = new THREE.Vector3(...front);
  const toRight = new THREE.Vector3().crossVectors(upward, toFront);
  const from = (azimuth, elevation) => {
    const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
    const level = toFront.clone().multiplyScalar(Math.cos(a)).addScaledVector(toRight, Math.sin(a));
    const direction = level.multiplyScalar(Math.cos(e)).addScaledVector(upward, Math.sin(e));
    return () => lookFrom(direction);
  };
  const views = { oblique: from(-35, 28), front: from(0, 0.1), left: from(-90, 0.1), top: from(0, 89.9) };
  return own ? { ...views, camera: () => lookThrough(own) } : views;
}

// Points of what is drawn, some thousands of them at most: views have them all in sight.
function outlinePoints() {
  const points = data.panes.flatMap((pane) => (pane.focus || []).map((point) => new THREE.Vector3(...point)));
  if (points.length) return points;
  for (const made of panes)
    made.scene.traverse((object) => {
      const position = made.caps.includes(object) ? null : object.geometry?.attributes.position;
      const count = position ? position.count : 0, step = Math.max(1, Math.floor(count / 3000));
      for (let k = 0; k < count; k += step) points.push(new THREE.Vector3().fromBufferAttribute(position, k));
    });
  if (!points.length) box().forEach((corner) => points.push(new THREE.Vector3(...corner)));
  return points;
}

function lookFrom(direction) {
  const right = new THREE.Vector3().crossVectors(camera.up, direction).normalize();
  const axes = [right, new THREE.Vector3().crossVectors(direction, right), direction];
  const [, , w, h] = rectangles()[0];
  const places = outline.map((point) => axes.map((axis) => point.dot(axis)));
  const middle = axes.map((_, k) => (Math.min(...places.map((each) => each[k])) + Math.max(...places.map((each) => each[k]))) / 2);
  camera.fov = 30;
  const high = Math.tan((camera.fov * Math.PI) / 360) * 0.92, wide = high * Math.max(w / h, 1e-3);
  const distances = places.map(([x, y, z]) => Math.max(Math.abs(x - middle[0]) / wide, Math.abs(y - middle[1]) / high) + z - middle[2]);
  controls.target.set(0, 0, 0);
  axes.forEach((axis, k) => controls.target.addScaledVector(axis, middle[k]));
  camera.position.copy(controls.target).addScaledVector(direction, Math.max(...distances, 1e-6));
}

function lookThrough(own) {
  const direction = new THREE.Vector3(...own.direction);
  camera.position.set(...own.place);
  const [low, high] = box();
  const middle = new THREE.Vector3(...low).add(new THREE.Vector3(...high)).multiplyScalar(0.5);
  const ahead = Math.max(middle.sub(camera.position).dot(direction), reach() * 0.05);
  controls.target.copy(camera.position).addScaledVector(direction, ahead);
  const [, , w, h] = rectangles()[0], half = Math.tan((own.angle * Math.PI) / 360) * Math.max(1, (own.aspect * h) / w);
  camera.fov = Math.min((Math.atan(half) * 360) / Math.PI, 120);
}

function look(name) {
  views[name]();
  controls.update();
  seenFrom = name;
  press($("views"), name);
  ask();
}

function leaveView() {
  seenFrom = null;
  press($("views"), "");
}

function press(group, name) {
  for (const button of group.children) button.setAttribute("aria-pressed", button.textContent === name);
}

// -- legend ----------------------------------------------------------------------------------------------------------------------

const number = (value) => (value == null ? "" : value.toLocaleString("en-US"));
const share = (value) => (value == null ? "" : value.toFixed(3));

function rowOf(set, key, entry, cells, coloured) {
  const swatch = make("i");
  swatch.style.background = coloured ? "linear-gradient(135deg, #35456c, #8a8678, #fee838)" : `rgb(${entry.colour})`;
  const button = make("button", { className: "row", type: "button", title: "Shift: this alone" },
    [swatch, make("em", { textContent: entry.name }), ...cells.map((text) => make("span", { textContent: text }))]);
  button.setAttribute("aria-pressed", true);
  button.dataset.name = entry.name;
  button.onclick = (event) => {
    const keys = set === hidden.rows ? legend.map((_, k) => k) : scores.categories.map((_, k) => k);
    if (event.shiftKey) keys.forEach((each) => (each === key ? set.delete(each) : set.add(each)));
    else if (!set.delete(key)) set.add(key);
    showClasses();
  };
  button.refresh = () => button.setAttribute("aria-pressed", !set.has(key));
  return button;
}

function makeLegend() {
  const counted = panes.slice(0, scores ? -1 : undefined);
  const titles = scores ? ["predicted", "true", "IoU"] : counted.length > 1 ? ["first", "second"] : [counted[0].pane.unit];
  $("legend").append(make("div", { className: "row names" }, [make("em"), ...titles.map((text) => make("span", { textContent: text }))]));
  legend.forEach((entry, row) => {
    const cells = counted.map(({ pane }) => number(pane.counts[pane.groups.indexOf(row)]));
    if (scores) cells.push(share(scores.classes[entry.name]));
    $("legend").append(rowOf(hidden.rows, row, entry, cells, legend.length < 2 && panes[0].pane.geometry.colours));
  });
  scores?.categories.forEach((entry, k) => $("categories").append(rowOf(hidden.categories, k, entry, [number(entry.count)])));
  $("all").onclick = () => { hidden.rows.clear(); hidden.categories.clear(); showClasses(); };
  $("none").onclick = () => { legend.forEach((_, row) => hidden.rows.add(row)); showClasses(); };
}

function showClasses() {
  document.querySelectorAll("button.row").forEach((button) => button.refresh());
  panes.forEach((made) => made.parts.forEach((part) => { part.object.visible = isOn(part); }));
  showSlices();
}

// -- slices ----------------------------------------------------------------------------------------------------------------------

function makeSlices() {
  const { axes } = panes[0].pane.frame;
  axes.forEach((axis, k) => $("axis").append(make("option", { value: k, textContent: axis.name })));
  $("axis").hidden = axes.length < 2;
  if (axes.length < 2) $("slices").querySelector("h2").textContent += ` by ${axes[0].name}`;
  $("axis").onchange = resetSlices;
  $("from").oninput = () => { $("to").value = Math.max($("to").value, +$("from").value + 1); showSlices(); };
  $("to").oninput = () => { $("from").value = Math.min($("from").value, $("to").value - 1); showSlices(); };
  resetSlices();
}

function resetSlices() {
  const axis = panes[0].pane.frame.axes[$("axis").value];
  for (const [id, value] of [["from", 0], ["to", axis.count]]) Object.assign($(id), { max: axis.count, value });
  showSlices();
}

function showSlices() {
  const chosen = +$("axis").value, from = Math.min(+$("from").value, $("to").max - 1), to = Math.max(+$("to").value, from + 1);
  panes.forEach((made) => {
    const axis = made.pane.frame.axes[chosen] || made.pane.frame.axes[0], scale = axis.count / $("to").max;
    const first = from === 0 ? -1e9 : from * scale, last = to === +$("to").max ? 1e9 : to * scale;
    made.uniforms.cut.value.set(axis.component, first, last);
    made.caps.forEach((cap, end) => {
      const plane = Math.round((end ? to : from) * scale), open = (end ? last : first) !== (end ? 1e9 : -1e9);
      placeCap(made, cap, axis.component, plane, open ? plane - end : -1, legend, isOn);
    });
  });
  const axis = panes[0].pane.frame.axes[chosen], value = (k) => +(axis.start + axis.step * k).toPrecision(4);
  $("range").textContent = `${value(from)} to ${value(to)}${axis.unit}`;
  ask();
}

// -- the rest --------------------------------------------------------------------------------------------------------------------

function makeViews() {
  Object.keys(views).forEach((name, k) => {
    $("views").append(make("button", { type: "button", textContent: name, title: `Key ${k + 1}`, onclick: () => look(name) }));
  });
}

function setMode(name) {
  mode = name;
  $("categories").hidden = mode === "beside";
  showCaptions();
  if (seenFrom) look(seenFrom);
  ask();
}

function showCaptions() {
  for (const button of $("modes").children) {
    button.setAttribute("aria-pressed", button.value === mode);
    if (button.value === "beside") button.textContent = isWide() ? "side by side" : "one above the other";
  }
  const role = mode === "beside" && scores ? ["predicted: ", "true: "] : ["", ""];
  const below = getComputedStyle($("bar")).position === "absolute" ? $("bar").offsetHeight + 20 : 6;
  $("captions").replaceChildren(...(data.panes.length > 1 ? rectangles() : []).map(([x, y, w], k) => {
    const caption = make("span", { textContent: role[k] + shownPanes()[k].pane.title });
    Object.assign(caption.style, { left: `${x + w / 2}px`, top: `${y ? y + 6 : below}px` });
    return caption;
  }));
}

function makeFacts() {
  const facts = new Set(data.panes.slice(0, scores ? -1 : undefined).map((pane) => pane.facts.join(", ")));
  facts.forEach((textContent) => $("facts").append(make("div", { textContent })));
  if (data.reason) $("facts").append(make("div", { textContent: data.reason }));
  if (data.picture) {
    $("picture").hidden = false;
    $("picture").querySelector("img").src = data.picture.source;
  }
  if (!scores) return;
  $("scores").hidden = $("modes").hidden = false;
  $("scores").append(make("b", { textContent: share(scores.main[1]) || "-" }), make("span", { textContent: scores.main[0] }),
    ...scores.more.map(([name, value]) => make("span", { textContent: ` · ${name} ${share(value)}` })));
  for (const value of ["beside", "differences"])
    $("modes").append(make("button", { type: "button", value, textContent: "hits and misses", onclick: () => setMode(value) }));
}

function placeSeen() {
  const seen = data.picture?.seen, image = $("picture").querySelector("img"), frame = $("picture").querySelector("i");
  frame.hidden = !seen;
  if (!seen || !image.naturalWidth) return;
  const scale = Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const [x, y] = [(image.clientWidth - w) / 2, (image.clientHeight - h) / 2];
  Object.assign(frame.style, { left: `${x + seen[0] * w}px`, top: `${y + seen[1] * h}px`, width: `${(seen[2] - seen[0]) * w}px`,
    height: `${(seen[3] - seen[1]) * h}px` });
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "light" : "dark";
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const parts = colour("--outline").match(/\w\w/g).map((each) => parseInt(each, 16));
  shared.outline.value.copy(unit(parts));
  renderer.setClearColor(new THREE.Color(colour("--paper")), 1);
  ask();
}

const dark = () => document.documentElement.dataset.theme === "dark";

function turn(across, upward) {
  const offset = camera.position.clone().sub(controls.target);
  const right = new THREE.Vector3().crossVectors(camera.up, offset).normalize();
  const angle = offset.angleTo(camera.up) - upward;
  if (angle > 0.02 && angle < Math.PI - 0.02) offset.applyAxisAngle(right, -upward);
  camera.position.copy(controls.target).add(offset.applyAxisAngle(camera.up, across));
}

function move(across, upward) {
  const step = camera.position.distanceTo(controls.target) * Math.tan((camera.fov * Math.PI) / 360) * 0.15;
  const [right, above] = [0, 1].map((k) => new THREE.Vector3().setFromMatrixColumn(camera.matrix, k));
  for (const each of [camera.position, controls.target]) each.addScaledVector(right, across * step).addScaledVector(above, upward * step);
}

function zoom(factor) {
  camera.position.sub(controls.target).multiplyScalar(factor).add(controls.target);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function onKey(event) {
  const inField = event.target.matches?.("input, select");
  if (event.ctrlKey || event.metaKey || event.altKey || (inField && event.key.startsWith("Arrow"))) return;
  if (ARROWS[event.key]) {
    const [across, upward] = ARROWS[event.key];
    if (event.shiftKey) move(across, upward);
    else turn(across * 0.12, upward * 0.12);
  } else if ("+=-".includes(event.key)) zoom(event.key === "-" ? 1.12 : 1 / 1.12);
  else if (Object.keys(views)[event.key - 1]) look(Object.keys(views)[event.key - 1]);
  else if ("[]".includes(event.key)) {
    $("from").value = +$("from").value + (event.key === "]" ? 1 : -1);
    $("from").oninput();
  } else if (event.key === "t") setTheme(!dark());
  else return;
  event.preventDefault();
  if (!"123456789t[]".includes(event.key)) leaveView();
  controls.update();
  ask();
}

const views = viewsOf();

async function start() {
  renderer = new THREE.WebGLRenderer({ canvas: $("canvas"), antialias: true, preserveDrawingBuffer: true });
  camera = new THREE.PerspectiveCamera(30, 1, 0.01, 1000);
  camera.up.copy(shared.up.value);
  const { front } = data.directions;
  shared.sun.value.set(...front).addScaledVector(new THREE.Vector3().crossVectors(camera.up, new THREE.Vector3(...front)), -0.6).normalize();
  controls = new THREE.OrbitControls(camera, $("canvas"));
  controls.addEventListener("change", ask);
  controls.addEventListener("start", leaveView);
  for (const [k, pane] of data.panes.entries())
    panes.push(await paneOf(pane, legend, scores && k === data.panes.length - 1 ? scores.categories : null, shared));
  outline = outlinePoints();
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
  $("theme").onclick = () => setTheme(!dark());
  makeFacts();
  makeLegend();
  makeViews();
  makeSlices();
  look("oblique");
  if (scores) setMode("beside");
  addEventListener("keydown", onKey);
  $("picture").querySelector("img").onload = placeSeen;
  new ResizeObserver(() => { showCaptions(); placeSeen(); if (seenFrom) look(seenFrom); ask(); }).observe($("view"));
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  $("trouble").hidden = false;
  $("trouble").textContent = `This page needs a browser with WebGL 2 of 2023 or later. ${error.message}`;
  console.error(error);
});
