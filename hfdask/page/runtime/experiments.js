// The browser is started with an experiment that draws elements into canvases, for captures from a canvas (host.js). Other browsers lack it,
// so pages see none of it: a page that looked for it would draw something else here. In workers its names stay. The host needs the members.

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
for (const name of ["ElementImage", "ElementGeometryUpdateEvent"]) delete window[name];
if (!config.hosted || window !== window.top) {
  for (const [kind, names] of Object.entries(EXPERIMENT)) {
    for (const name of names.split(" ")) delete window[kind]?.prototype[name];
  }
}
