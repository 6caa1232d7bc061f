// What the page holds, as arrays.

async function unpacked(text, Type) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Type(await new Response(stream).arrayBuffer());
}

// Points as floats, one after the other, of whole numbers that are stored one axis after the other.
async function pointsOf(places) {
  const numbers = await unpacked(places.numbers, Uint16Array);
  const count = numbers.length / 3;
  const points = new Float32Array(numbers.length);
  for (let axis = 0; axis < 3; axis++)
    for (let k = 0; k < count; k++) points[3 * k + axis] = places.low[axis] + places.step[axis] * numbers[axis * count + k];
  return points;
}

// A point of the lattice in the world.
function fromLattice(frame, cell) {
  let [x, y, z] = cell;
  if (frame.frustum) {
    const [near, thickness, focal, width, height] = frame.frustum;
    const depth = near + x * thickness;
    [x, y, z] = [((z - width / 2) / focal) * depth, ((y - height / 2) / focal) * depth, depth];
  }
  return frame.to_world.slice(0, 3).map((row) => row[0] * x + row[1] * y + row[2] * z + row[3]);
}

// The indices of each group's elements: faces of a mesh, points.
function byGroup(of, count) {
  const lists = Array.from({ length: count }, () => []);
  of.forEach((group, k) => lists[group].push(k));
  return lists;
}
