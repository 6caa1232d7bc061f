export {
  BufferAttribute, BufferGeometry, Color, DataTexture, DoubleSide, LineSegments, Matrix4, Mesh, PerspectiveCamera, Points, Scene,
  ShaderMaterial, Vector2, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
