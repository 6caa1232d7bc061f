// Bundles what entry.js names of three.js to one minified script, three.js. Parts that its renderer holds for other uses are left out:
// shaders of its own materials, shadows, lights of surroundings and headsets.
import { build } from "esbuild";

const LEFT_OUT = {
  "ShaderChunk.js": `import colours from "./ShaderChunk/colorspace_pars_fragment.glsl.js";
    export const ShaderChunk = { colorspace_pars_fragment: colours };`,
  "ShaderLib.js": "export const ShaderLib = {};",
  "DFGLUTData.js": "export const getDFGLUT = () => null;",
  "PMREMGenerator.js": "export class PMREMGenerator { dispose() {} }",
  "WebGLShadowMap.js":
    "export function WebGLShadowMap() { this.enabled = this.autoUpdate = this.needsUpdate = false; this.render = () => {}; }",
  "WebXRManager.js": `export class WebXRManager { constructor() { this.enabled = this.isPresenting = this.cameraAutoUpdate = false; }
    addEventListener() {} setAnimationLoop() {} dispose() {} getEnvironmentBlendMode() {} getDepthSensingMesh() { return null; }
    hasDepthSensing() { return false; } }`,
};
const names = new RegExp(`/(${Object.keys(LEFT_OUT).join("|").replaceAll(".", "\\.")})$`);

await build({
  entryPoints: ["entry.js"], outfile: "three.js", bundle: true, minify: true, format: "iife", globalName: "THREE", legalComments: "none",
  target: "es2020",
  plugins: [{
    name: "parts",
    setup(steps) {
      steps.onResolve({ filter: /^three$/ }, () => ({ path: `${process.cwd()}/node_modules/three/src/Three.js`, sideEffects: false }));
      steps.onLoad({ filter: names }, ({ path }) => ({
        contents: LEFT_OUT[path.split("/").pop()], resolveDir: path.slice(0, path.lastIndexOf("/")),
      }));
    },
  }],
});
