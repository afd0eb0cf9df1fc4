// Adapters for what the browser animates by itself, in every frame of the page: WAAPI, CSS animations and SMIL, and
// for canvases that draw on `hf-seek` (docs/compositions.md, 6). An adapter has `name`, `seek(time)` in seconds, and may have
// `after()`, called when the frame's callbacks have run, `end()`, the end in seconds of what it drives, and `used()`.

// Finds the animations that were not made by the page's scripts. The state of all is read before any of them is moved: after a
// move, the next question makes the browser compute the style of the page anew.
//
// The browser sorts animations by the position of their elements, which among siblings takes time by the square of their number.
// If there are many, they are looked for only after a change of the page's elements or rules.
const MANY_ANIMATIONS = 300;
function findAnimations() {
  noteMovement(everything.takeRecords());
  if (!altered && playing.size > MANY_ANIMATIONS) return [];
  altered = false;
  const found = trees().flatMap((tree) => tree.getAnimations());
  const added = found
    .filter((animation) => !playbacks.has(animation))
    .map(playbackOf)
    .filter(Boolean);
  if (added.length) hearAttributes();
  return added;
}

// Reads the style sheets' current state: they may have removed an animation, or paused or resumed it.
function obeyStyles() {
  // Compute the style of all at once: a question to one animation computes its style alone, which takes longer for all.
  if (playing.size) void getComputedStyle(document.documentElement).color;
  for (const playback of playing) {
    if (playback.kind === "script") continue;
    if (natively.playState.get(playback.animation) === "idle") {
      forget(playback);
      continue;
    }
    if (!(natively.timeline.get(playback.animation) instanceof PageTimeline)) {
      release(playback);
      browserDrives = true;
      continue;
    }
    playback.timing = null;
    timing(playback);
    if (!playback.byStyle) continue;
    anchor(playback);
    const held = isHeld(playback);
    if (held === (playback.start === null)) continue;
    const time = ownTime(playback);
    playback.anchored = false;
    playback.hold = held ? time : null;
    playback.start = held ? null : now(playback) - time / playback.rate;
  }
}

function forget(playback) {
  playing.delete(playback);
  playbacks.delete(playback.animation);
  cancelFinish(playback);
  leavePhase(playback);
}

const computedStyles = new WeakMap(); // which are live
function isHeld({ animation }) {
  const { pseudoElement } = animation.effect;
  if (!computedStyles.has(animation)) {
    computedStyles.set(animation, getComputedStyle(elementOf(animation), pseudoElement));
  }
  const style = computedStyles.get(animation);
  const states = style.animationPlayState.split(", ");
  if (states.length === 1) return states[0] === "paused";
  return states[style.animationName.split(", ").lastIndexOf(animation.animationName) % states.length] === "paused";
}

// An animation that the browser refuses to move does not stop the others.
function drive() {
  findAnimations();
  obeyStyles();
  for (const playback of playing) {
    if (elementOf(playback.animation)?.isConnected !== false) showOrTell(playback);
  }
  replaceCovered();
}

function showOrTell(playback) {
  try {
    show(playback);
  } catch (error) {
    const element = elementOf(playback.animation);
    tellFault(`an animation of ${element ? `<${element.localName}>` : "no element"} is not driven: ${inWords(error)}`);
  }
}

// As in a browser, a finished animation that fills is removed once later finished animations set all of its properties.
function replaceCovered() {
  const byTarget = new Map();
  for (const playback of playing) {
    if (playback.kind !== "script") continue;
    const element = !playback.persisted && fills(playback) ? elementOf(playback.animation) : null;
    if (element) byTarget.set(element, [...(byTarget.get(element) ?? []), playback]);
    else setReplaced(playback, false);
  }
  for (const all of byTarget.values()) {
    const covered = new Set();
    for (const playback of all.toSorted((a, b) => b.order - a.order)) {
      const properties = propertiesOf(playback);
      setReplaced(
        playback,
        properties.every((name) => covered.has(name)),
      );
      for (const name of properties) covered.add(name);
    }
  }
}

function fills(playback) {
  const { fill } = timing(playback);
  return isOver(playback) && (fill === "both" || fill === (playback.rate > 0 ? "forwards" : "backwards"));
}

// Returns the effects of the animations that draw something now or may do so later, as `getAnimations` would find them. That
// makes the browser compute all styles, and sort. Null if the browser drives some by itself.
function effectsInPlay() {
  if (browserDrives) return null;
  return [...playing].filter((each) => !isOver(each) || fills(each)).map(({ animation }) => animation.effect);
}

const NO_PROPERTIES = ["offset", "computedOffset", "easing", "composite"];
function propertiesOf(playback) {
  if (!playback.properties) {
    const { effect } = playback.animation;
    const names = new Set(effect.getKeyframes().flatMap(Object.keys));
    for (const name of NO_PROPERTIES) names.delete(name);
    playback.properties = [...names].map((name) => `${effect.pseudoElement ?? ""} ${name}`);
  }
  return playback.properties;
}

function setReplaced(playback, replaced) {
  if (playback.replaced === replaced) return;
  playback.replaced = replaced;
  show(playback);
  if (replaced && playback.hears.remove && !playback.removed) announce(playback, "remove");
  playback.removed ||= replaced;
}

const ended = (playback) => {
  const { endTime } = timing(playback);
  const { start, origin, rate } = playback;
  const length = rate < 0 ? 0 : endTime / (rate || 1);
  return Number.isFinite(length) ? ((start ?? now(playback)) + origin + length) / 1000 : 0;
};
const ofKind = (...kinds) => [...playing].filter(({ kind }) => kinds.includes(kind));

// Animations that the frame's scripts have begun, such as transitions, begin in the frame. Animations that were begun in a
// handler of a moment begin at that moment, also animations that would otherwise count from their element's start.
function findNewAnimations(atMoment = false) {
  noteMovement(everything.takeRecords());
  if (!altered) return;
  const added = findAnimations();
  for (const playback of added) {
    timing(playback);
    if (atMoment && playback.anchored) playback.start = now(playback);
    if (atMoment) playback.anchored = false;
  }
  for (const playback of added) showOrTell(playback);
}
settleAnimations = () => blameless(() => findNewAnimations());

// Change styles at once, also of elements with `transition: all`, and of elements in them. When a transition of an inherited property ends, the
// elements below begin theirs.
function withoutTransitions(change) {
  const transitions = () =>
    trees()
      .flatMap((tree) => tree.getAnimations())
      .filter((each) => each instanceof StyleTransition);
  const before = new Set(transitions());
  change();
  for (;;) {
    const begun = transitions().filter((each) => !before.has(each));
    if (begun.length === 0) return;
    for (const each of begun) natively.cancel(each);
  }
}

// An error of the runtime's own is none of the page's.
let tellFault = (text) => console.warn(text);
function blameless(action) {
  try {
    action();
  } catch (error) {
    tellFault(`the page's animations are not driven as they should be: ${inWords(error)}`);
  }
}

const waapi = {
  name: "waapi",
  seek: () => blameless(drive), // also animations of style sheets
  end: () => Math.max(0, ...ofKind("script", "transition").map(ended)),
  used: () => ofKind("script", "transition").length > 0,
};

const css = {
  name: "css",
  seek() {},
  end() {
    findAnimations();
    return Math.max(0, ...ofKind("css").map(ended));
  },
  used: () => ofKind("css").length > 0,
};

// SMIL: each outermost <svg> has its own clock, which stands still once it is paused.
const TIMED = ["animate", "animateMotion", "animateTransform", "set"];
const SVG = "http://www.w3.org/2000/svg";
const timedElements = () =>
  trees()
    .flatMap((tree) => [...tree.querySelectorAll(TIMED.join())])
    .filter(({ namespaceURI }) => namespaceURI === SVG);
const vectorTimes = new WeakMap();

function outermost(element) {
  const svg = element.ownerSVGElement;
  return svg ? outermost(svg) : element;
}

function timedVectors() {
  return new Set(
    timedElements()
      .map(outermost)
      .filter((element) => element.localName === "svg"),
  );
}

function timedEnd(element) {
  try {
    const repeats = Number(element.getAttribute("repeatCount") ?? 1);
    const end = element.getStartTime() + (element.localName === "set" ? 0 : element.getSimpleDuration() * repeats);
    return Number.isFinite(end) ? end : 0;
  } catch {
    return 0; // how the browser says that it has no start yet, or no end
  }
}

const smil = {
  name: "smil",
  seek(time) {
    for (const svg of timedVectors()) {
      const local = Math.max(0, time - ownStart(svg));
      if (vectorTimes.get(svg) === local) continue;
      svg.pauseAnimations();
      svg.setCurrentTime(local);
      vectorTimes.set(svg, local);
      moved = true;
    }
  },
  end() {
    return Math.max(0, ...timedElements().map((element) => ownStart(outermost(element)) + timedEnd(element)));
  },
  used: () => timedVectors().size > 0,
};

adoptDocuments();

if (!isTop) {
  seekAnimations = (frame) => {
    currentTime = frameTime(frame);
    for (const adapter of [waapi, css, smil]) caught(() => adapter.seek(currentTime));
  };
}

// Scripts that draw on demand (WebGL, WebGPU, canvas) listen to `hf-seek` and may hand in promises to wait for.
const dispatch = window.dispatchEvent.bind(window);
let announced = null;
let promises = [];
const drawing = {
  name: "hf-seek",
  seek(time, { force = false, suppressEvents = false } = {}) {
    window.__hfThreeTime = window.__hfTypegpuTime = time;
    if (suppressEvents || (announced === time && !force)) return;
    announced = time;
    if (!awaitsSeeks) return;
    const waitUntil = entering((promise) => void promises.push(Promise.resolve(promise)));
    const event = new CustomEvent("hf-seek", { detail: { time, waitUntil } });
    guarded(() => dispatch(event));
  },
};
