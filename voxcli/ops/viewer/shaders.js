// Surfaces, caps of slices, points and lines. Colours are those of the classes where a face is lit most.

const PLACE = `
uniform mat4 toFrame; uniform vec3 frustum; uniform vec2 middle; uniform vec3 cut;
vec3 lattice(vec3 place) {
  vec3 q = (toFrame * vec4(place, 1.0)).xyz;
  return frustum.z > 0.0 ? vec3((q.z - frustum.x) / frustum.y, q.yx / q.z * frustum.z + middle) : q;
}
bool isCut(vec3 cell) {
  float along = cut.x < 0.5 ? cell.x : cut.x < 1.5 ? cell.y : cell.z;
  return along < cut.y || along > cut.z;
}`;

const SURFACE_VERTEX = `
attribute vec4 inside; attribute vec3 colour;
varying vec3 vPlace; varying vec3 vInside; varying vec3 vColour; varying vec2 vUv;
void main() {
  vPlace = position; vInside = inside.xyz * 0.01; vColour = colour; vUv = uv;
  gl_Position = projectionMatrix * viewMatrix * vec4(position, 1.0);
}`;

const SURFACE_FRAGMENT = PLACE + `
uniform vec3 tint; uniform vec3 up; uniform vec3 sun; uniform float lines; uniform sampler2D labels;
varying vec3 vPlace; varying vec3 vInside; varying vec3 vColour; varying vec2 vUv;
void main() {
  vec3 normal = normalize(cross(dFdx(vPlace), dFdy(vPlace)));
  vec3 cell = lattice(vPlace) + vInside;
  vec3 wide = fwidth(cell);
  #ifdef CAP
    vec4 label = texture2D(labels, vUv);
    if (label.a < 0.5) discard;
    vec3 base = label.rgb;
  #else
    if (isCut(cell)) discard;
    #ifdef COLOURED
      vec3 base = vColour;
    #else
      vec3 base = tint;
    #endif
  #endif
  float light = 0.62 + 0.30 * max(dot(normal, up), 0.0) + 0.06 * abs(dot(normal, up)) + 0.26 * max(dot(normal, sun), 0.0);
  base *= min(light, 1.0);
  vec3 edge = abs(fract(cell - 0.5) - 0.5) / max(wide, vec3(1e-6));
  float line = (1.0 - min(min(edge.x, min(edge.y, edge.z)), 1.0)) * (1.0 - smoothstep(0.08, 0.3, max(wide.x, max(wide.y, wide.z))));
  base *= 1.0 - lines * line;
  gl_FragColor = vec4(base, 1.0);
}`;

const POINT_VERTEX = `
attribute vec3 colour; uniform float size; uniform float scale;
varying vec3 vPlace; varying vec3 vColour;
void main() {
  vPlace = position; vColour = colour;
  gl_Position = projectionMatrix * viewMatrix * vec4(position, 1.0);
  gl_PointSize = clamp(size * scale / gl_Position.w, 2.0, 64.0);
}`;

const POINT_FRAGMENT = PLACE + `
uniform vec3 tint;
varying vec3 vPlace; varying vec3 vColour;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (isCut(lattice(vPlace)) || dot(off, off) > 0.25) discard;
  #ifdef COLOURED
    vec3 base = vColour;
  #else
    vec3 base = tint;
  #endif
  gl_FragColor = vec4(base * (1.0 - 0.9 * dot(off, off)), 1.0);
}`;

const LINE_VERTEX = `void main() { gl_Position = projectionMatrix * viewMatrix * vec4(position, 1.0); }`;
const LINE_FRAGMENT = `uniform vec3 tint; void main() { gl_FragColor = vec4(tint, 1.0); }`;
