// One frame at a time: durations, readiness, and the order of a seek (docs/compositions.md, 3.4, 6.1 and 8).

const adapters = [waapi, css, smil, anime, lottie, drawing, maps, d3];
const warnings = own(new Set());
const MAX_WARNINGS = 100;
tellFault = warn;
let prepared = false;
let settled = false;

function warn(text) {
  if (warnings.size < MAX_WARNINGS) warnings.add(cut(text, MAX_TEXT));
}

// Static duration first: a declared length beats a longer timeline.
function rootDuration() {
  const declared = numberAttribute(root, "data-duration", "data-composition-duration");
  if (declared > 0) return { seconds: declared, source: "data-duration" };
  const timeline = timelinesEnd();
  const ends = [
    ...[...document.querySelectorAll("video[data-start],audio[data-start]")].map((element) => mediaEnd(element)),
    ...[...document.querySelectorAll(`${COMPOSITION},${MOUNTED}`)].filter((each) => each !== root).map(authoredEnd),
  ];
  const floor = Math.max(0, ...ends, ...adapters.map((adapter) => adapter.end?.() ?? 0));
  if (timeline > MIN_TIMELINE && timeline >= floor) return { seconds: timeline, source: "timeline" };
  if (floor > 0) return { seconds: floor, source: "clips" };
  const hosts = [...document.querySelectorAll(`${HOST},${MOUNTED}`)].map(
    (host) => (numberAttribute(host, "data-start") ?? 0) + (numberAttribute(host, "data-duration") ?? 0),
  );
  return { seconds: Math.max(0, ...hosts), source: "hosts" };
}

// Of a composition only the authored window counts.
function authoredEnd(element) {
  const length = numberAttribute(element, "data-hf-authored-duration", "data-duration");
  return length > 0 ? startOf(element) + length : 0;
}

// Clips are shown and hidden both first and last. A box that appears again restarts its CSS animations, which must exist before
// they are sought; and timelines may write the visibility that the clip's window decides.
function renderSeek(frame, { suppressEvents = false } = {}) {
  currentTime = frameTime(frame);
  if (!root) {
    seekOwnPage(suppressEvents);
    return;
  }
  noteChanges(clipObserver.takeRecords());
  showClips(currentTime);
  seekTimelines(currentTime, suppressEvents);
  for (const adapter of adapters) caught(() => adapter.seek(currentTime, { suppressEvents }));
  showClips(currentTime);
}

let soughtAt = 0; // by the real clock
let atFrame = 0;
function seek(frame, options = {}) {
  soughtAt = native.now();
  atFrame = frame;
  adoptDocuments();
  setClock(frameTime(frame) * 1000);
  if (root) aimSounds(frameTime(frame));
  renderSeek(frame, options);
  seekClock(frame);
  for (const adapter of adapters) caught(() => adapter.after?.());
  if (root) showClips(currentTime);
}

// Pages and editors that drive the page themselves name times.
const frameFor = (time) => frameAt(Math.max(0, time));
const ownSeek = entering((time, options) => {
  if (!informing) seek(frameFor(time), options);
});

// A page without a composition that can be sought: it has its own `window.__hf`, with a duration and a seek.
function isOwnPage() {
  const own = window.__hf;
  return !root && typeof own?.seek === "function" && own.seek !== ownSeek && Number(own.duration) > 0;
}

// The page has the last word on what the browser animates.
function seekOwnPage(suppressEvents) {
  if (!isOwnPage()) return;
  for (const adapter of adapters) caught(() => adapter.seek(currentTime, { suppressEvents }));
  const done = guarded(() => window.__hf.seek(currentTime, { suppressEvents }));
  if (typeof done?.then === "function") promises.push(done);
}

const player = {
  renderSeek: entering((time, options) => renderSeek(frameFor(time), options)),
  seek: entering((time, options) => renderSeek(frameFor(time), options)),
  play() {},
  pause() {},
  getTime: () => currentTime,
  getDuration: entering(() => duration().seconds),
  isPlaying: () => false,
  setPlaybackRate() {},
  getPlaybackRate: () => 1,
};

function duration() {
  if (root) return rootDuration();
  return isOwnPage() ? { seconds: Number(window.__hf.duration), source: "__hf" } : { seconds: 0, source: "none" };
}

function prepare() {
  if (prepared) return;
  prepared = true;
  assemble();
  adoptRoot();
  nothingLazy(document);
  window.__player = player;
  window.__playerReady = true;
}

// A script may make the root while the page loads.
function adoptRoot() {
  withoutTransitions(() => {
    prepareRoot();
    if (root) applyVariables();
  });
  if (!root) return;
  window.__hf = Object.assign(window.__hf ?? {}, { seek: ownSeek });
  Object.defineProperty(window.__hf, "duration", {
    get: () => (settled ? player.getDuration() : 0),
    configurable: true,
  });
  blameless(() => findAnimations());
}

// Places the content that was mounted after the page was prepared.
function placeMounted() {
  if (root) withoutTransitions(placeCompositions);
  nothingLazy(document);
}

// Returns the things to wait for, in words; empty when the page is ready to be settled. Things that need no timers come first.
function onItsWay() {
  if (!prepared) return ["document"];
  const waits = [];
  if (document.readyState !== "complete") waits.push("load");
  const documents = allDocuments();
  for (const { fonts } of documents) {
    if (fonts.status === "loading") waits.push("fonts");
  }
  if (imagesOf(documents).some((image) => !image.complete)) waits.push("images");
  waits.push(...waitingForAnswers(), ...readings.keys());
  return waits;
}

// The same, with what timers may bring about.
function waitingFor() {
  const waits = onItsWay();
  if (!prepared) return waits;
  if (window.__hfTimelinesBuilding) waits.push("timelines being built");
  waits.push(...gates.keys());
  if (!waits.length) waits.push(...threeWaits());
  if (loadingTimer(true)) waits.push("timers");
  return waits;
}

// Timers wait for what is on its way, but not for what does not come.
const BUSY = 5000; // milliseconds
function hasEnough(setUpOnly) {
  if (readings.size > 0 || (native.now() < BUSY && onItsWay().length > 0)) return true;
  const isReady = () =>
    (root ? missingTimelines().length === 0 : isOwnPage()) && waitingFor().every((what) => what === "timers");
  return !setUpOnly && isReady();
}

// Promises that readiness waits for; a rejection counts as settled. While one is pending, no other is begun under its name.
const gates = own(new Set());
const readings = own(new Set()); // promises of the runtime's own, which need no timers of the page
function gate(name, begin, kind = gates) {
  if (kind.has(name)) return;
  const promise = begin();
  kind.add(name);
  const done = () => kind.delete(name);
  Promise.resolve(promise).then(done, done);
}
let gatedTailwind = false;
function openGates() {
  if (window.__tailwindReady && !gatedTailwind) {
    gatedTailwind = true;
    gate("__tailwindReady", () => window.__tailwindReady);
  }
  gateLibraries();
  gateFilms();
  gateVideos();
  if (prepared && root) loadSounds();
  gateInspections();
}

function loadingStatus() {
  adoptDocuments();
  openGates();
  if (document.readyState === "complete") {
    prepare(); // a document that was written anew forgot who waited for it
    fetchSheetPictures();
  }
  for (const each of allDocuments()) chooseAlike(each);
  if (prepared && !root?.isConnected) adoptRoot();
  const hasRoot = Boolean(root) || isOwnPage();
  const missing = prepared && root ? missingTimelines() : [];
  return {
    root: hasRoot,
    offenders: few([...offenders].map(([file, what]) => `${file} ${what}`)),
    prepared,
    waiting: few(waitingFor()),
    missing: few(missing),
    videos: few(unknownVideos()),
    sounds: few(unknownSounds()),
    ...(missing.length || !hasRoot ? pendingWork() : { pending: [], mayEnd: false }),
    problems: prepared ? takeProblems() : [], // the host looks at them from then on only
  };
}

// Binds what has been registered and rests at time 0; after this the page only changes by seeks.
function settle() {
  soughtAt = native.now();
  beginClock();
  assembling.disconnect();
  layOutLoaded();
  if (root) withoutTransitions(applyVariables);
  warnOfEqualSlugs();
  bindTimelines();
  moveEdited();
  settleVolumes();
  settled = true;
  placeSheet();
  window.__renderReady = true;
  renderSeek(0, { suppressEvents: true });
  return settlePromises(promises.splice(0));
}

// Limits of the report, whatever the page contains.
const MAX_CLIPS = 20_000;
const MAX_LISTED = 1000;
const MAX_NAME = 500;
function few(texts) {
  return texts.slice(0, MAX_LISTED).map((text) => cut(text, MAX_NAME));
}

function report() {
  warnOfPage();
  const { seconds, source } = duration();
  const size = root
    ? { width: pixels(root, "data-width", 1080), height: pixels(root, "data-height", 1920) }
    : { width: Number(window.__hf?.width) || null, height: Number(window.__hf?.height) || null };
  if (root) resolveClips();
  const timed = clips.filter((clip) => clip.element !== root);
  if (timed.length > MAX_CLIPS) addProblem(`the page has ${timed.length} timed elements; a plan can list ${MAX_CLIPS}`);
  return {
    ...size,
    hasRoot: Boolean(root),
    compositionId: cut(rootId(), MAX_NAME),
    fps: cut(root?.getAttribute("data-fps") ?? "", MAX_NAME) || null,
    duration: seconds,
    source,
    clips: timed.slice(0, MAX_CLIPS).map((clip) => ({
      id: cut(clip.element.id || clip.element.getAttribute("data-composition-id") || "", MAX_NAME),
      tag: cut(clip.element.localName, MAX_NAME),
      start: clip.start,
      end: Number.isFinite(clip.end) ? clip.end : null,
      track: Math.trunc(numberAttribute(clip.element, "data-track-index") ?? 0) | 0,
    })),
    timelines: few(Object.keys(registry())),
    adapters: adapters.filter((adapter) => adapter.used?.()).map((adapter) => adapter.name),
    unsupported: few(unsupported()),
    variableProblems: few(variableProblems()),
    warnings: [...warnings],
    problems: takeProblems(),
  };
}

// The elements that show these URLs: of a picture that a script has set, the browser does not say who asked.
function elementsThatShow(urls) {
  const found = {};
  for (const element of document.querySelectorAll("[src],[href],[poster],[srcset],[data]")) {
    const { currentSrc, src, href, poster, data } = /** @type {any} */ (element);
    const places = [currentSrc, src, href?.baseVal ?? href, poster, data].map(String);
    const url = urls.find((each) => places.some((place) => place && URL.parse(place, document.baseURI)?.href === each));
    if (url) found[url] ??= `<${element.localName}${element.id ? ` id="${cut(element.id, 200)}"` : ""}>`;
  }
  return found;
}

// Returns the features that this version would render wrong. Planning refuses them.
function unsupported() {
  const found = [];
  const medium = root ? null : allMedia(MEDIA).find(sourceOf);
  if (medium) found.push(`<${medium.localName}> of a page without a composition: ${describe(medium)}`);
  if (!root && window.__hf?.media?.length) found.push("media of a page without a composition (__hf.media)");
  return found;
}

// Whether code of the page has run since the frame was asked for. It may have changed the picture without a change of the document: by a rule
// of a style sheet, a scroll, a selection, or the state of a field.
let callsBefore = 0;
const hasRun = () => calls !== callsBefore;

// The host calls this once a frame. The answer is true if anything moved, or `{problems, changed, observed, text}` if there is more to
// report. It comes after what scripts do in promises.
async function frame(number) {
  promises = [];
  callsBefore = calls;
  const time = frameTime(number);
  if (isDue(time)) await passMoments(time);
  ours(() => caught(() => seek(number)));
  ours(() => prepareShaders(time));
  await (ours(() => isDue(time)) ? passMoments(time) : reactions());
  return ours(finishFrame);
}

// Goes through frames, as long as the picture cannot have changed. Returns the last one, whether its picture cannot have changed either, and the
// answer to it.
async function throughFrames([first, end]) {
  for (let number = first; ; number++) {
    const answer = await frame(number);
    const still = answer === false && !hasRun() && ours(drawsNothing);
    if (!still || number + 1 >= end) return { __proto__: null, number, still, answer };
  }
}

// Moves timelines to the time of a moment. Objects that draw on demand are sought for frames only.
seekMoment = () => {
  if (!root) return;
  showClips(currentTime);
  seekTimelines(currentTime, false);
};

function finishFrame() {
  rests = 0;
  return whenThere();
}

// Called after a rendering opportunity of a frame whose page has observers. It returns the same, for changes since the seek or the
// opportunity before.
const LEAST_RESTS = 2; // opportunities until `content-visibility` has drawn elements that came into view
let rests = 0;
function rest() {
  rests++;
  const told = drawShaders() || notify();
  return whenThere(told || (skipping && rests < LEAST_RESTS));
}

// Waits for the files of this frame.
function whenThere(more = false) {
  chooseFresh();
  const waits = [...promises, ...pendingPictures(), ...pendingFilms(currentTime), ...tellingVideos()];
  if (messagesPending()) waits.push(messagesArrived());
  for (const { fonts } of allDocuments()) if (fonts.status === "loading") waits.push(fonts.ready);
  if (handedOn) waits.push(pendingCanvases(promises));
  waits.push(...answersAndArrivals());
  promises = [];
  return waits.length ? settleAll(waits, more) : answer(more);
}

function answersAndArrivals() {
  const waits = [];
  if (pendingAnswers.size) waits.push(answersGiven());
  const coming = comingArrivals();
  if (coming.length) waits.push(allArrived(coming));
  return waits;
}

// A document that has just come is brought to the frame, as the others are.
async function allArrived(coming) {
  const arrived = await Promise.all(coming);
  await reactions(); // the page's handlers may be called after ours
  ours(() => {
    adoptDocuments();
    for (const { contentWindow } of new Set(arrived))
      caught(() => contentWindow?.__HF_VIRTUAL_TIME__?.seekToFrame(atFrame));
  });
}

// What comes may ask for more. A page that always asks for more is not waited for.
const MAX_WAITS = 20;
async function settleAll(waits, more) {
  for (let round = 0; waits.length && round < MAX_WAITS; round++) {
    await settlePromises(waits);
    waits = ours(answersAndArrivals);
  }
  return ours(() => answer(more));
}

async function settlePromises(waits) {
  calls++; // what comes of them
  ours(() => waitInFrame(soughtAt));
  const ends = await Promise.allSettled(waits);
  ours(() => {
    waitInFrame(Infinity);
    for (const end of ends) {
      if (end.status === "rejected") addProblem(`Rejection while seeking: ${inWords(end.reason)}`);
    }
  });
}

function answer(more) {
  const changed = takeMoved() || more || blending > 0;
  const problems = takeProblems();
  const observed = changed && (observes() || blending > 0);
  const text = changed && window.__hfdaskText?.changed(effectsInPlay) === true; // only while planning (fonts.js)
  return problems.length || observed || text ? { __proto__: null, problems, changed, observed, text } : changed;
}

// Whether planning has something to ask about: new text, or, in a look at everything, content that a canvas draws wrong. It
// has if the page does not read its text.
function hasNews(everything) {
  const text = window.__hfdaskText;
  return !text || text.isNew(everything) || (everything && unfit().length > 0);
}

window.__hf = window.__hf ?? {};
window.__timelines = window.__timelines ?? {};
window.__hfVariables = config.variables;
window.__hfVariablesByComp = {};
window.__HF_RENDER_CAPTURE_MODE = true;
window.__HF_EXPORT_RENDER_SEEK_CONFIG = { fps: RATE / PER_SECONDS };
window.__hyperframes = Object.assign(window.__hyperframes ?? {}, {
  getVariables: entering(variables),
  fitTextFontSize,
  assetUrl: absolute,
});
window.hyperframesAnime = animeRegistry(registry, (id) => id);
Object.defineProperty(window.__hyperframes, "pretext", {
  configurable: true,
  enumerable: false,
  get() {
    throw new Error(
      "__hyperframes.pretext is not here: load the library pretext with the page, or use fitTextFontSize",
    );
  },
  set(value) {
    define(window.__hyperframes, "pretext", value);
  },
});
window.__hfForceTimelineRebind = entering(bindTimelines);
window.__hfResolveMediaStartSeconds = entering((element) => mediaTimes(element).start);
window.__hfMediaId = entering(mediaId);
window.__hfMediaEl = entering((id) => allMedia(MEDIA).find((medium) => mediaId(medium) === id) ?? null);
window.__hfReseekGpu = entering((time) => drawing.seek(time, { force: true }));
window.__renderReady = false;
// Not to be replaced: the host relies on it.
Object.defineProperty(window, "__hfdask", {
  value: Object.freeze({
    status: told(loadingStatus),
    nudge: told(runWhileLoading),
    timers: told((setUpOnly) => runLoadingTimers(setUpOnly, hasEnough)),
    settle: told(settle),
    report: told(report),
    media: told(() => ({ videos: reportMedia("video"), sounds: reportSounds() })),
    changedVolumes: told(changedVolumes),
    volumesAt: told(volumesAt),
    knowDurations: told(knowDurations),
    scenesOn: told(scenesOn),
    frame: told((asked) => (typeof asked === "number" ? frame(asked) : frameWithVideos(asked))),
    frames: told(throughFrames),
    passVideos: told(passVideos),
    showVideos: told(showVideos),
    pictureBox: told(pictureBox),
    videoNamed: entering(videoNamed),
    unlikeHdr: told(unlikeHdr),
    prepareVideos: told(prepareVideos),
    serveVideos: told(serveVideos),
    knowVideos: told(knowVideos),
    rest: told(rest),
    drawn: told(compositorFrame),
    sight: told(sight),
    unfit: told(unfit),
    hasNews: told(hasNews),
    isSimple: told(isSimple),
    drawsNothing: told(drawsNothing),
    hasRun,
    elements: told(elementsThatShow),
    brokenFaces: told(brokenFaces),
    tell,
  }),
});

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", entering(prepare));
else prepare();
window.addEventListener("load", entering(layOutLoaded));
