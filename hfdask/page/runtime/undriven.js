// Features of pages that no clock here drives. They are not refused, because they may not matter or the page may have a
// fallback, but the plan warns of them.

// A canvas whose control was handed on gets to the compositor after the script or the worker that drew it is done, so
// each frame waits for the compositor too.
let handedOn = false;
const transferControl = HTMLCanvasElement.prototype.transferControlToOffscreen;
override(HTMLCanvasElement.prototype, {
  transferControlToOffscreen() {
    handedOn = true;
    return apply(transferControl, this, []);
  },
});

const compositorFrame = () => new Promise((done) => native.requestAnimationFrame(done));
async function pendingCanvases(drawn) {
  await Promise.allSettled(drawn);
  for (let i = 0; i < 2; i++) await compositorFrame();
  moved = true;
}

const postToWorker = Worker.prototype.postMessage;
override(Worker.prototype, {
  postMessage(message, ...rest) {
    const [options] = rest;
    const transfer = Array.isArray(options) ? options : (options?.transfer ?? []);
    if ([...transfer].some((item) => item instanceof OffscreenCanvas)) {
      warn("a worker draws on a canvas, with the real clock: let it draw on request, and hf-seek wait for its answer");
    }
    return apply(postToWorker, this, [message, ...rest]);
  },
});

if (window.GPU) {
  const requestAdapter = GPU.prototype.requestAdapter;
  override(GPU.prototype, {
    async requestAdapter(...args) {
      const adapter = await apply(requestAdapter, this, args);
      if (!adapter) warn("the page asks for WebGPU, which this browser does not have: draw with WebGL");
      return adapter;
    },
  });
}

// Chromium starts an AudioContext only once a person has used the page. In a render it stands still, so an analyser has no sound.
const LEVELS = ["getByteFrequencyData", "getByteTimeDomainData", "getFloatFrequencyData", "getFloatTimeDomainData"];
const Offline = window.OfflineAudioContext;
if (window.AnalyserNode) {
  const contextOf = describeProperty(AudioNode.prototype, "context").get;
  for (const name of LEVELS) {
    const read = AnalyserNode.prototype[name];
    override(AnalyserNode.prototype, {
      [name](levels) {
        apply(read, this, [levels]);
        if (apply(contextOf, this, []) instanceof Offline) return;
        warn("an AnalyserNode has no sound in a render: compute levels from the samples of decodeAudioData()");
      },
    });
  }
}

const ANIMATED_SVG = /<(?:animate\w*|set)[\s>]|@keyframes|\banimation(?:-name)?\s*:/;
const inspected = new Map(); // what is looked at -> promise

// An SVG file in <img> is a separate document, and so is every picture that is shown without an <img>.
async function inspect(url, inImage) {
  const path = url.startsWith("data:") ? url : url.replace(/[?#].*/, "");
  if (/\.svg$|^data:image\/svg\+xml/i.test(path)) {
    const file = await pictureFile(url);
    if (!file || !ANIMATED_SVG.test(await file.text())) return;
    warn(`${fileName(path)} animates by itself, by the real clock: put it into an <iframe>, or inline`);
  } else if (!inImage && !STILL.test(path) && (await filmOf(url))) {
    warn(`${fileName(path)} is an animated picture without an <img>, so it stands still: put it into an <img>`);
  }
}

const fileName = (path) =>
  path.startsWith("data:") ? cut(path, 40) : path.slice(path.lastIndexOf("/") + 1, path.lastIndexOf("/") + 80);

// Yield the URLs of pictures that styles and elements other than <img> show.
function* picturesWithoutImage() {
  for (const [url, picture] of sheetPictures) if (picture) yield url;
  for (const element of allMatching('[style*="url("]:not(img)')) {
    yield* urlsIn(element.getAttribute("style"), element.baseURI);
  }
  for (const { href, baseURI } of allMatching("svg image")) yield URL.parse(href.baseVal, baseURI)?.href;
  for (const { src } of allMatching("input[type=image]")) yield src;
}

function gateInspections() {
  const images = allImages().filter((image) => image.complete && image.naturalWidth);
  const shownIn = images.map(({ currentSrc }) => [currentSrc, true]);
  for (const url of picturesWithoutImage()) shownIn.push([url, false]);
  for (const [url, inImage] of shownIn) {
    const what = `look at ${url}${inImage ? "" : " without <img>"}`;
    if (!url || inspected.has(what)) continue;
    inspected.set(what, inspect(url, inImage));
    gate(what, () => inspected.get(what), readings);
  }
}

function copiedBy(use) {
  const { hash } = URL.parse(use.href.baseVal, document.baseURI) ?? { hash: "" };
  return hash ? document.getElementById(decoded(hash.slice(1))) : null;
}

function warnOfPage() {
  guarded(warnOfLottie);
  if (document.querySelector("script[async][src]")) {
    warn(
      "an async script runs at another moment in each chunk, as fast as it came: use defer, or leave the attribute out",
    );
  }
  if (askedWorkers.size > 1 && !maps.used()) {
    warn("several workers answer in any order, which differs from chunk to chunk: use their answers in a fixed order");
  }
  if (maps.used()) {
    warn("a live map is in the page: its style and tiles must be files of the project, as the network is closed");
  }
  const copied = Array.from(document.querySelectorAll("use"), copiedBy).find(
    (of) => of?.getAnimations({ subtree: true }).length,
  );
  if (copied) {
    warn(`animations in a <use> of ${describe(copied)} run by the real clock: animate the <use>, or copy the element`);
  }
  if (document.querySelector("[data-color-grading]")) {
    warn("data-color-grading has no effect here: grade the files themselves, or use CSS filters");
  }
  if (/** @type {any} */ (window).HyperShader && !drawsShaders())
    warn("shader transitions of HyperShader are not drawn: scenes change without one");
  if (document.querySelector("marquee,progress:not([value])")) {
    warn("a <marquee>, or a <progress> without a value, moves by the real clock: animate an element instead");
  }
  if (childWindows().length < window.frames.length) {
    warn("a frame of another origin, or in a sandbox, is not driven: it has the real clock");
  }
}
