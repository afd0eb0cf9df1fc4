// Keep scripts from reading videos in HDR (docs/decisions/hdr-output.md). The page shows plain pictures in their place, and which one it
// shows depends on the frame at which a chunk began.

const READERS = own([
  ["CanvasRenderingContext2D", "drawImage", "createPattern"],
  ["OffscreenCanvasRenderingContext2D", "drawImage", "createPattern"],
  ["WebGLRenderingContext", "texImage2D", "texSubImage2D"],
  ["WebGL2RenderingContext", "texImage2D", "texSubImage2D", "texImage3D", "texSubImage3D"],
  ["GPUQueue", "copyExternalImageToTexture"],
  ["GPUDevice", "importExternalTexture"],
]);

const isHdr = (feed) => Boolean(config.hdr && feed?.shape?.hdr);

function requireReadable(values) {
  for (const value of values) {
    const source = value?.source ?? value;
    if (source instanceof HTMLVideoElement && isHdr(feeds.get(source))) {
      throw new DOMException(
        `the video ${sourceOfVideo(source)} is in HDR, and a script reads its picture: render without hdr`,
        "NotSupportedError",
      );
    }
  }
}

function guardReader(object, name) {
  const read = object[name];
  if (typeof read !== "function") return;
  const guard = {
    [name](...values) {
      ours(() => requireReadable(values));
      return apply(read, this, values);
    },
  }[name];
  define(object, name, guard);
}

if (config.hdr) {
  for (const [kind, ...names] of READERS) {
    const prototype = /** @type {any} */ (window)[kind]?.prototype;
    for (const name of names) if (prototype) guardReader(prototype, name);
  }
  guardReader(window, "createImageBitmap");
  guardReader(HTMLMediaElement.prototype, "captureStream");
}
