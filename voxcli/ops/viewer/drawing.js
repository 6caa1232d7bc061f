// A pane: its objects of three.js, one for each class (and category), and the caps of its slices.

async function paneOf(pane, legend, categories, shared) {
  const frame = pane.frame;
  const rows = frame.to_world;
  const matrix = new THREE.Matrix4().set(...rows[0], ...rows[1], ...rows[2], ...rows[3]).invert();
  const [near, thickness, focal, width, height] = frame.frustum || [0, 1, 0, 0, 0];
  const uniforms = {
    toFrame: { value: matrix }, frustum: { value: new THREE.Vector3(near, thickness, focal) },
    middle: { value: new THREE.Vector2(height / 2, width / 2) }, cut: { value: new THREE.Vector3(0, -1e9, 1e9) }, ...shared,
  };
  const made = { pane, uniforms, scene: new THREE.Scene(), parts: [], caps: [], codes: null, categories };
  const of = { cells: cellParts, triangles: triangleParts, points: pointParts, none: async () => [] };
  for (const part of await of[pane.geometry.kind](pane, uniforms, legend, categories)) {
    made.parts.push(part);
    made.scene.add(part.object);
  }
  const lines = new THREE.BufferGeometry();
  lines.setAttribute("position", new THREE.BufferAttribute(await unpacked(pane.lines, Float32Array), 3));
  made.scene.add(new THREE.LineSegments(lines, shaded(LINE_VERTEX, LINE_FRAGMENT, { tint: shared.outline })));
  if (pane.geometry.kind === "cells") {
    made.codes = await unpacked(pane.geometry.codes, pane.geometry.wide ? Uint16Array : Uint8Array);
    made.caps = [0, 1].map(() => capOf(uniforms));
    made.caps.forEach((cap) => made.scene.add(cap));
  }
  made.scene.traverse((each) => { each.frustumCulled = false; });
  return made;
}

function shaded(vertexShader, fragmentShader, uniforms, more = {}) {
  return new THREE.ShaderMaterial({ vertexShader, fragmentShader, uniforms, ...more });
}

const unit = (colour) => new THREE.Vector3(...colour.map((each) => each / 255));

// The legend's row and the category of a code (from 0), and its colour.
function meaningOf(pane, code, legend, categories) {
  const row = pane.groups[categories ? Math.floor(code / categories.length) : code];
  const category = categories ? code % categories.length : null;
  return { row, category, colour: categories ? categories[category].colour : legend[row].colour };
}

async function cellParts(pane, uniforms, legend, categories) {
  const columns = await unpacked(pane.geometry.rectangles, Uint16Array);
  const count = columns.length / 7;
  const lists = new Map();
  for (let k = 0; k < count; k++) {
    const code = columns[6 * count + k] - 1;
    if (!lists.has(code)) lists.set(code, []);
    lists.get(code).push(k);
  }
  return [...lists].map(([code, chosen]) => {
    const meaning = meaningOf(pane, code, legend, categories);
    const geometry = rectangleGeometry(pane, columns, count, chosen);
    const material = shaded(SURFACE_VERTEX, SURFACE_FRAGMENT, { ...uniforms, tint: { value: unit(meaning.colour) } });
    return { ...meaning, object: new THREE.Mesh(geometry, material) };
  });
}

const OVERLAP = 0.02; // of a cell

function rectangleGeometry(pane, columns, count, chosen) {
  const positions = new Float32Array(chosen.length * 12), inside = new Int8Array(chosen.length * 16);
  const index = new Uint32Array(chosen.length * 6);
  chosen.forEach((k, n) => {
    const [facing, plane, u, v, du, dv] = [0, 1, 2, 3, 4, 5].map((column) => columns[column * count + k]);
    const axis = facing >> 1, side = facing & 1;
    [[0, 0], [1, 0], [1, 1], [0, 1]].forEach(([right, down], corner) => {
      const cell = [0, 0, 0];
      cell[axis] = plane;
      // A little more than its cells: where long edges meet short ones, no gap shows.
      cell[(axis + 1) % 3] = u + right * du + (right - 0.5) * OVERLAP;
      cell[(axis + 2) % 3] = v + down * dv + (down - 0.5) * OVERLAP;
      positions.set(fromLattice(pane.frame, cell), n * 12 + corner * 3);
      inside[n * 16 + corner * 4 + axis] = side ? -1 : 1;
    });
    const turned = (side === 1) === pane.geometry.mirrored;
    index.set((turned ? [0, 2, 1, 0, 3, 2] : [0, 1, 2, 0, 2, 3]).map((each) => each + n * 4), n * 6);
  });
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  geometry.setAttribute("inside", new THREE.BufferAttribute(inside, 4));
  geometry.setIndex(new THREE.BufferAttribute(index, 1));
  return geometry;
}

async function triangleParts(pane, uniforms, legend) {
  const { geometry: stored } = pane;
  const points = await pointsOf(stored.places);
  const faces = await unpacked(stored.faces, Uint32Array);
  const of = await unpacked(stored.of, Uint16Array);
  const colours = stored.colours ? await unpacked(stored.colours, Uint8Array) : null;
  return byGroup(of, pane.groups.length).map((chosen, group) => {
    const geometry = new THREE.BufferGeometry();
    const positions = new Float32Array(chosen.length * 9), tints = new Uint8Array(colours ? chosen.length * 9 : 0);
    chosen.forEach((face, n) => {
      for (let corner = 0; corner < 3; corner++) {
        const vertex = faces[3 * face + corner], at = 9 * n + 3 * corner;
        positions.set(points.subarray(3 * vertex, 3 * vertex + 3), at);
        const from = 3 * (stored.colours_of === "faces" ? face : vertex);
        if (colours) tints.set(colours.subarray(from, from + 3), at);
      }
    });
    geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    if (colours) geometry.setAttribute("colour", new THREE.BufferAttribute(tints, 3, true));
    const meaning = meaningOf(pane, group, legend, null);
    const material = shaded(SURFACE_VERTEX, SURFACE_FRAGMENT, { ...uniforms, tint: { value: unit(meaning.colour) }, lines: { value: 0 } },
      { side: THREE.DoubleSide, defines: colours ? { COLOURED: 1 } : {} });
    return { ...meaning, object: new THREE.Mesh(geometry, material) };
  });
}

async function pointParts(pane, uniforms, legend) {
  const { geometry: stored } = pane;
  const points = await pointsOf(stored.places);
  const colours = stored.colours ? await unpacked(stored.colours, Uint8Array) : null;
  return byGroup(await unpacked(stored.of, Uint16Array), pane.groups.length).map((chosen, group) => {
    const geometry = new THREE.BufferGeometry();
    const part = (all, Type) => Type.from({ length: 3 * chosen.length }, (_, k) => all[3 * chosen[Math.floor(k / 3)] + (k % 3)]);
    geometry.setAttribute("position", new THREE.BufferAttribute(part(points, Float32Array), 3));
    if (colours) geometry.setAttribute("colour", new THREE.BufferAttribute(part(colours, Uint8Array), 3, true));
    const meaning = meaningOf(pane, group, legend, null);
    const material = shaded(POINT_VERTEX, POINT_FRAGMENT, { ...uniforms, tint: { value: unit(meaning.colour) }, size: { value: stored.size } },
      { defines: colours ? { COLOURED: 1 } : {} });
    return { ...meaning, object: new THREE.Points(geometry, material) };
  });
}

function capOf(uniforms) {
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(12), 3));
  geometry.setAttribute("uv", new THREE.BufferAttribute(new Float32Array([0, 0, 1, 0, 1, 1, 0, 1]), 2));
  geometry.setIndex([0, 1, 2, 0, 2, 3]);
  const material = shaded(SURFACE_VERTEX, SURFACE_FRAGMENT, { ...uniforms, labels: { value: null }, tint: { value: unit([0, 0, 0]) } },
    { side: THREE.DoubleSide, defines: { CAP: 1 } });
  const cap = new THREE.Mesh(geometry, material);
  cap.visible = false;
  return cap;
}

// Put the cap of a slice on the plane of the lattice where it is cut: what the cells are there.
function placeCap(made, cap, component, plane, slice, legend, isOn) {
  const { shape } = made.pane.geometry;
  const u = (component + 1) % 3, v = (component + 2) % 3;
  cap.visible = slice >= 0 && slice < shape[component];
  if (!cap.visible) return;
  const stride = [shape[1] * shape[2], shape[2], 1];
  const pixels = new Uint8Array(shape[u] * shape[v] * 4);
  const meanings = new Map();
  for (let j = 0; j < shape[v]; j++)
    for (let i = 0; i < shape[u]; i++) {
      const code = made.codes[slice * stride[component] + i * stride[u] + j * stride[v]];
      if (!code) continue;
      if (!meanings.has(code)) meanings.set(code, meaningOf(made.pane, code - 1, legend, made.categories));
      const meaning = meanings.get(code);
      if (isOn(meaning)) pixels.set([...meaning.colour, 255], 4 * (j * shape[u] + i));
    }
  const { labels } = cap.material.uniforms;
  labels.value?.dispose();
  labels.value = new THREE.DataTexture(pixels, shape[u], shape[v]);
  labels.value.needsUpdate = true;
  const position = cap.geometry.attributes.position;
  [[0, 0], [1, 0], [1, 1], [0, 1]].forEach(([right, down], corner) => {
    const cell = [0, 0, 0];
    cell[component] = plane;
    cell[u] = right * shape[u];
    cell[v] = down * shape[v];
    position.set(fromLattice(made.pane.frame, cell), corner * 3);
  });
  position.needsUpdate = true;
}
