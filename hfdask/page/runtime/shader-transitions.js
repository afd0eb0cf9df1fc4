// HyperShader, HyperFrames' library for transitions by shaders, draws them in the page if it is asked to, and if the page can draw
// elements into canvases. It notes each seek by a wrapper around `__hf.seek`. In a frame of a transition it copies both scenes
// (`prepare`), which are drawn into canvases after the next rendering opportunity (`resolve`).

window.__HF_PAGE_SIDE_COMPOSITING__ = true;
let usesShaders = false;
let canary; // the library sets it before it looks if it can draw elements
Object.defineProperty(window, "__HF_PAGE_COMPOSITOR_CANARY__", {
  configurable: true,
  get: () => canary,
  set(value) {
    canary = value;
    usesShaders = true;
    if (!config.hosted) showElementDrawing();
  },
});

const drawsShaders = () => typeof window.__hf_page_composite_prepare === "function";

let informing = false; // while the wrapper is called, after the seek
let blending = 0; // rendering opportunities to wait for
function prepareShaders(time) {
  if (!usesShaders) return;
  informing = true;
  guarded(() => window.__hf.seek(time));
  informing = false;
  blending = window.__hf_page_composite_pending === true ? 2 : 0;
  if (blending) promises.push(copyScenes());
}

async function copyScenes() {
  await guarded(() => window.__hf_page_composite_prepare());
  ours(findEmptyCopies);
}

// Called at each rendering opportunity. Returns true if it changed the page.
function drawShaders() {
  if (!blending) return false;
  blending--;
  if (blending) for (const fill of emptyCopies) caught(fill);
  else guarded(() => window.__hf_page_composite_resolve());
  return true;
}

// Copies of canvases are empty, and copies of videos would be other videos. A canvas in a copy is drawn at the wrong place without
// `contain`, and larger pictures than its box are cut off.
let emptyCopies = []; // functions that fill them
function findEmptyCopies() {
  emptyCopies = [];
  for (const copy of document.querySelectorAll("canvas[layoutsubtree] > *")) {
    const [from, to] = [document.getElementById(copy.id), copy].map((each) => [
      ...each.querySelectorAll("video,canvas"),
    ]);
    for (const [number, source] of from.entries()) {
      const canvas = document.createElement("canvas");
      const style = getComputedStyle(source);
      for (const name of style) canvas.style.setProperty(name, style.getPropertyValue(name));
      canvas.style.animation = canvas.style.transition = "none";
      canvas.style.contain = "paint";
      to[number]?.replaceWith(canvas);
      emptyCopies.push(() => fillCopy(source, style, canvas));
    }
  }
}

// Draws a canvas's picture, or what a video shows in its box.
function fillCopy(source, style, canvas) {
  const feed = namedFeeds("video").find(({ video }) => video === source);
  const { width, height } = feed ? contentSize(style) : source;
  [canvas.width, canvas.height] = [Math.round(width), Math.round(height)];
  if (!canvas.width || !canvas.height) return;
  const [left, top, right, bottom] = (feed && edgesOf(feed)) ?? [0, 0, 1, 1];
  const [across, down] = [right - left, bottom - top];
  canvas.getContext("2d").drawImage(source, left * width, top * height, across * width, down * height);
}
