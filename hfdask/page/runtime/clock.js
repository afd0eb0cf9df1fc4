// Virtual time and seeded randomness, in every frame of the page (docs/compositions.md, 7). Author code sees one clock that
// only moves when a frame is sought, so what a script draws is a function of the frame's time alone. Timers follow
// it (timers.js).

const { floor, imul } = Math;
const native = Object.freeze({
  Date: window.Date,
  now: window.performance.now.bind(window.performance),
  setTimeout: window.setTimeout.bind(window),
  clearTimeout: window.clearTimeout.bind(window),
  requestAnimationFrame: window.requestAnimationFrame.bind(window),
  cancelAnimationFrame: window.cancelAnimationFrame.bind(window),
  postToWorker: Worker.prototype.postMessage,
});

// The time of a frame in seconds: the double nearest to the fraction `frame / fps` (docs/compositions.md, 3.5). Only the division
// rounds; the product is exact, because in a video of 24 hours it is less than 2 ** 53.
const [RATE, PER_SECONDS] = config.fps;
function frameTime(frame) {
  return (frame * PER_SECONDS) / RATE;
}

// The frame that shows a time (docs/compositions.md, 3.5).
function frameAt(time) {
  return floor((time * RATE) / PER_SECONDS + 1e-9);
}

// Milliseconds on the clock, which differs from the composition's time only at the beginning. As in a browser, a page never sees
// time 0, each time is later than the one before, and some milliseconds pass from the load to the first frame. So loops with
// `if (!start) start = now`, and loops that want some time since their last call, draw frame 0. The times before frame 0 are so
// small that the difference of any frame's time and them is that frame's time, to the last bit (docs/decisions/clock.md).
const LOADING = 2 ** -61;
const LOADED = 2 ** -60;
const LOADING_STEP = 2 ** -85;
const FRAME_0 = Math.min(5, frameTime(480)); // less than half a frame, for pages that round to frames
let virtualMs = LOADING;
let soughtMs = 0; // the composition's time, which `hf-seek`, timelines and randomness go by

const VirtualDate = new Proxy(native.Date, {
  construct(target, args, newTarget) {
    return Reflect.construct(target, args.length ? args : [virtualMs], newTarget === VirtualDate ? target : newTarget);
  },
  apply() {
    return new native.Date(virtualMs).toString();
  },
  get(target, key) {
    return key === "now" ? dateNow : Reflect.get(target, key);
  },
});
function dateNow() {
  return virtualMs;
}
native.Date.prototype.constructor = VirtualDate;
window.Date = VirtualDate;

define(Performance.prototype, "now", () => virtualMs);
Object.defineProperty(window.performance, "timeOrigin", { get: () => 0, configurable: true });

// requestAnimationFrame: a queue that each seek runs once. Requests of callbacks wait for the next seek, or a page that always
// requests one more frame would never finish the first. Requests of an observer after the frame's layout still belong to that
// frame.
let nextRequest = 1;
let observing = false;
let requests = own(new Map());
let observed = own(new Map()); // asked for by observers
let due = own(new Map()); // the current run; a callback may cancel a later one
define(window, "requestAnimationFrame", (callback) => {
  if (typeof callback !== "function") throw new TypeError("requestAnimationFrame needs a function");
  (observing ? observed : requests).set(nextRequest, callback);
  return nextRequest++;
});
define(window, "cancelAnimationFrame", (id) => {
  requests.delete(id);
  observed.delete(id);
  due.delete(id);
});

function runAnimationFrame() {
  const run = requests;
  requests = own(new Map());
  runCallbacks(run);
}

function runObserved() {
  const run = observed;
  observed = own(new Map());
  return runCallbacks(run);
}

function runCallbacks(run) {
  const ids = [...run.keys()];
  due = run;
  if (!ids.length) return false;
  theirs(() => {
    for (let i = 0; i < ids.length; i++) {
      const callback = run.get(ids[i]); // none if an earlier callback has cancelled it
      if (callback) caught(() => callback(virtualMs));
    }
  });
  return true;
}

// Mulberry32, reseeded at every seek from the time alone: a frame's randomness never depends on the frames before.
let randomState = 0;
function reseed(ms) {
  randomState = (imul(floor(ms) | 0, -1640531527) + 0x9e3779b9) | 0;
}
function randomWord() {
  randomState = (randomState + 0x6d2b79f5) | 0;
  let t = randomState;
  t = imul(t ^ (t >>> 15), t | 1);
  t ^= t + imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}
reseed(0);
define(Math, "random", () => randomWord() / 4294967296);

if (window.crypto) {
  const check = window.crypto.getRandomValues.bind(window.crypto);
  define(window.crypto, "getRandomValues", (array) => {
    check(array); // the browser's own errors for wrong types and sizes
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const whole = bytes.length - (bytes.length % 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < whole; i += 4) view.setUint32(i, randomWord(), true);
    for (let i = whole; i < bytes.length; i++) bytes[i] = randomWord() & 255;
    return array;
  });
  define(window.crypto, "randomUUID", () => {
    const bytes = window.crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
  });
}

// An exception in author code must not stop the other adapters or callbacks of a frame, and must not be lost.
function guarded(action) {
  return caught(() => theirs(action));
}

const reportUncaught = window.reportError.bind(window);
function caught(action) {
  try {
    return action();
  } catch (error) {
    reportUncaught(error);
    return undefined;
  }
}

const MAX_PROBLEMS = 100;
const problems = own([]); // uncaught errors, taken by the host with each answer
function listen(name, look) {
  const listener = entering(look);
  window.addEventListener(name, (event) => void (problems.length < MAX_PROBLEMS && listener(event)), true);
}
listen("error", (event) => {
  if (event.target !== window) return; // a resource: the server and the network log know those
  if (event.message?.startsWith("ResizeObserver loop")) return; // not an error: the rest is observed a frame later
  const where = event.filename ? ` (${event.filename}:${event.lineno}:${event.colno})` : "";
  addProblem(`${event.message}${where}`);
});
listen("unhandledrejection", ({ reason }) => addProblem(`Unhandled rejection: ${inWords(reason)}`));
// A script that throws at each step of a loop says no more with each.
function addProblem(text) {
  if (problems.length < MAX_PROBLEMS) problems.push(cut(text, MAX_TEXT));
}

function takeProblems() {
  const taken = problems.splice(0);
  for (const clock of childClocks()) taken.push(...clock.takeProblems());
  return taken.slice(0, MAX_PROBLEMS);
}

// Windows of another origin cannot be driven; the plan warns of them.
function childClocks() {
  return childWindows()
    .map((child) => child.__HF_VIRTUAL_TIME__)
    .filter(Boolean);
}

function childWindows(parent = window) {
  const reachable = (child) => {
    try {
      return Boolean(child.document);
    } catch {
      return false;
    }
  };
  return Array.from({ length: parent.frames.length }, (_, i) => parent.frames[i]).filter(reachable);
}

function allDocuments(of = window) {
  return [of.document, ...childWindows(of).flatMap(allDocuments)];
}

// A frame's window may keep its globals when its first, empty document gives way to the real one, so what belongs to a
// document is set up whenever there is a new one.
let ownDocument = null;
const documentSetUps = [];
function adoptDocuments() {
  if (document !== ownDocument) {
    ownDocument = document;
    for (const setUp of documentSetUps) setUp();
  }
  for (const clock of childClocks()) clock.adoptDocuments();
}

// A frame's animations are sought before its callbacks run; in the top frame the player has done it by then.
/** @type {(frame: number) => void} */
let seekAnimations = () => {};
let settleAnimations = () => {}; // when they have run

// Timelines and `hf-seek` run before the queue of animation frames. They must not see the clock of the frame before, or a state of
// the randomness that depends on its scripts.
let passedMs = Number.NaN; // the moment to which everything driven has been brought
function setClock(ms) {
  passedMs = Number.NaN;
  soughtMs = Math.max(0, ms);
  virtualMs = Math.max(FRAME_0, soughtMs);
  reseed(soughtMs);
}

let soughtFrameMs = 0; // the time of the last frame that was sought
function seekClock(frame) {
  setClock(frameTime(frame) * 1000);
  soughtFrameMs = soughtMs;
  seekAnimations(frame);
  tellVideos();
  runObserved(); // while the page loaded, or after the frame before
  runAnimationFrame();
  settleAnimations();
  for (const clock of childClocks()) caught(() => clock.seekToFrame(frame));
}

// For pages that wait for animation frames while they load.
function runWhileLoading() {
  virtualMs += LOADING_STEP;
  runAnimationFrame();
}

// The end of the load: callbacks that were requested until now are called at one time in every chunk. So a loop that takes its first
// call for the start of its animation starts with the video, and not with the chunk.
function beginClock() {
  begun = true;
  virtualMs = LOADED;
  reseed(0);
  seekAnimations(0);
  runObserved();
  runAnimationFrame();
  for (const clock of childClocks()) caught(() => clock.begin());
}

// Not to be replaced: the frame above relies on it.
Object.defineProperty(window, "__HF_VIRTUAL_TIME__", {
  value: Object.freeze({
    seekToFrame: entering(seekClock),
    getTime: () => soughtMs,
    begin: entering(beginClock),
    // Nothing to do, most times, for a frame without frames in it.
    adoptDocuments: () => (document === ownDocument && !window.length) || ours(adoptDocuments),
    takeProblems: () => (problems.length || window.length ? ours(takeProblems) : []),
    takeMovement: entering(takeMovement),
    drawAnew: entering(drawAnew),
    comingArrivals: entering(comingArrivals),
    observes,
    notify: entering(notify),
    nextMoment: entering(nextMoment),
    passMoment: entering(passMoment),
    closeMoment: entering(closeMoment),
    adoptTree: entering(adoptTree),
    timers: Object.freeze({
      isDriven: () => isDriven,
      hasBegun: () => begun,
      loadingTimer: entering(loadingTimer),
      allMoment: entering(allTimersMoment),
      waitInFrame: entering(waitInFrame),
    }),
    videos: Object.freeze({
      feeds: entering(allFeeds),
      tellLoaded: entering(tellLoaded),
      telling: entering(tellingVideos),
    }),
    originals: native,
  }),
});
