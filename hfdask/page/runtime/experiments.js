// The browser is started with an experiment that draws elements into canvases, for captures from a canvas (host.js). Other browsers lack it,
// so pages see none of it: a page that looked for it would draw something else here. In workers its names stay. The host needs the members, and so does
// a library of shader transitions (shader-transitions.js).

const EXPERIMENT = {
  HTMLCanvasElement:
    "captureElementImage clearElementGeometry content getElementTransform layoutSubtree \
onelementgeometryupdate onpaint requestPaint updateElementGeometry",
  CanvasRenderingContext2D: "drawElementImage",
  OffscreenCanvas: "clearElementGeometry getElementTransform updateElementGeometry",
  OffscreenCanvasRenderingContext2D: "drawElementImage",
  WebGLRenderingContext: "texElementImage2D texElementSubImage2D",
  WebGL2RenderingContext: "texElementImage2D texElementSubImage2D",
  GPUQueue: "copyElementImageToTexture drawElementImageToTexture",
};
const hidden = []; // [prototype, name, descriptor]
for (const name of ["ElementImage", "ElementGeometryUpdateEvent"]) delete window[name];
if (!config.hosted || window !== window.top) {
  for (const [kind, names] of Object.entries(EXPERIMENT)) {
    const { prototype } = window[kind] ?? {};
    for (const name of names.split(" ")) {
      if (!prototype || !Object.hasOwn(prototype, name)) continue;
      hidden.push([prototype, name, Object.getOwnPropertyDescriptor(prototype, name)]);
      delete prototype[name];
    }
  }
}

// Gives a page what the library of shader transitions needs (shader-transitions.js), if this browser has it.
function showElementDrawing() {
  const shown = hidden.filter(([, name]) => name === "layoutSubtree" || name === "drawElementImage");
  for (const [prototype, name, descriptor] of shown) Object.defineProperty(prototype, name, descriptor);
}
