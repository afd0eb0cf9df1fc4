// Timelines that author scripts register in `window.__timelines`, GSAP's above all (docs/compositions.md, 6.2).

const MIN_TIMELINE = 1 / 60;

function registry() {
  const value = window.__timelines;
  if (Array.isArray(value)) {
    window.__timelines = Object.fromEntries(value.map((timeline, i) => [i ? String(i) : rootId(), timeline]));
  }
  return window.__timelines && typeof window.__timelines === "object" ? window.__timelines : {};
}

function rootId() {
  return root?.getAttribute("data-composition-id") ?? "";
}

function timelineOf(element) {
  return registry()[element.getAttribute("data-composition-id")] ?? null;
}

function compositionNamed(id) {
  return document.querySelector(`[data-composition-id="${CSS.escape(id)}"]`);
}

const firstOf = (timeline, ...names) => names.find((name) => typeof timeline?.[name] === "function");

function timelineDuration(timeline) {
  const name = firstOf(timeline, "totalDuration", "duration");
  const value = name ? guarded(() => Number(timeline[name]())) : 0;
  return Number.isFinite(value) ? value : 0;
}

function usable(timeline) {
  return timelineDuration(timeline) > MIN_TIMELINE;
}

let rootTimeline = null;
const bound = new WeakSet();

function bindTimelines() {
  const all = registry();
  for (const [id, timeline] of Object.entries(all)) {
    if (!timeline || (firstOf(timeline, "totalDuration", "duration") && firstOf(timeline, "totalTime", "seek")))
      continue;
    addProblem(`__timelines["${id}"] is not a timeline: it needs the functions duration() and seek()`);
    delete all[id];
  }
  rootTimeline = all[rootId()] ?? adopted(all);
  for (const timeline of Object.values(all)) if (!bound.has(timeline)) bind(timeline);
  for (const timeline of Object.values(all)) if (timeline && isNested(timeline)) guarded(() => count(timeline));
  clipsAreStale = true;
}

// A single timeline drives the root under any name, except under the name of another composition.
function adopted(all) {
  const ids = Object.keys(all).filter((id) => usable(all[id]));
  const candidates = new Set(ids.map((id) => all[id])); // one may have two names
  return candidates.size === 1 && !ids.some(compositionNamed) ? all[ids[0]] : null;
}

// The end of the root's timeline, which reaches as far as the timelines of the compositions in it (docs/compositions.md, 3.4).
function timelinesEnd() {
  const ends = Object.entries(registry()).map(([id, timeline]) => {
    const element = timeline !== rootTimeline && usable(timeline) ? compositionNamed(id) : null;
    return element ? resolveStart(element) + timelineDuration(timeline) : 0;
  });
  return Math.max(timelineDuration(rootTimeline), ...ends);
}

// GSAP does not render `set()` calls at position 0 of a paused timeline until its playhead has moved once.
function bind(timeline) {
  if (!timeline || typeof timeline !== "object") return;
  bound.add(timeline);
  guarded(() => {
    timeline.pause?.();
    if (!timeline.totalTime || !timeline.progress) return;
    const time = timeline.totalTime();
    timeline.progress(0.0001, true);
    timeline.totalTime(time, false);
  });
}

// GSAP leaves what is paused out of the length of its parent, and works that out when something is added.
function count(timeline) {
  timeline.paused?.(false);
  timeline.parent.add?.(timeline, timeline.startTime?.());
}

// Nested timelines move with their parent and must run for that; one on GSAP's own clock must stay paused, or its
// ticker would move it once more.
function isNested(timeline) {
  return Boolean(timeline.parent) && !clockTimelines.has(timeline.parent);
}

function seekTimelines(time, suppressEvents) {
  const all = registry();
  const windows = new Map(); // of each timeline, which may have two names
  for (const [id, timeline] of Object.entries(all)) {
    if (timeline && timeline !== rootTimeline) windows.set(timeline, windows.get(timeline) ?? childWindow(id));
  }
  // A timeline with its own window is sought by that alone. If it ran, GSAP would also set it by its parent.
  const steps = [];
  for (const [timeline, child] of windows) {
    if (isNested(timeline)) steps.push(() => (child ? timeline.pause?.() : timeline.play?.()));
  }
  if (rootTimeline) steps.push(() => seekRoot(time, suppressEvents));
  for (const [timeline, child] of windows) {
    if (child) steps.push(() => seekChild(child, timeline, time, suppressEvents));
  }
  if (!steps.length) return;
  theirs(() => {
    for (let i = 0; i < steps.length; i++) caught(steps[i]);
  });
}

// Beyond its end a paused timeline may revert its `from()` tweens, so the time is clamped.
function seekRoot(time, suppressEvents) {
  const total = timelineDuration(rootTimeline);
  const local = total > 0 && total < time ? total : time;
  if (!rootTimeline.totalTime) {
    rootTimeline.seek(local, suppressEvents);
    return;
  }
  rootTimeline.totalTime(local, suppressEvents);
  if (!suppressEvents && !hasInstantCallbacks(rootTimeline)) {
    rootTimeline.totalTime(local + 0.001, true);
    rootTimeline.totalTime(local, true);
  }
}

// Cached: walking all tweens at every frame would cost more than the seek.
const callbackScan = own(new WeakMap());
function hasInstantCallbacks(timeline) {
  if (!callbackScan.has(timeline)) {
    const children = timeline.getChildren?.(true, true, true) ?? [];
    const instant = (child) => child.duration?.() === 0 && (child.vars?.onComplete || child.vars?.onStart);
    callbackScan.set(timeline, children.some(instant));
  }
  return callbackScan.get(timeline);
}

// When child compositions start and how fast they run, by id; known as long as the clips are.
const windowsOfChildren = new Map();
function childWindow(id) {
  if (!windowsOfChildren.has(id)) {
    const element = compositionNamed(id);
    const host = element && windowElement(element);
    const look = () => ({ start: resolveStart(element), rate: playbackRate(host), from: inPoint(host) });
    windowsOfChildren.set(id, host && element !== root ? look() : null);
  }
  return windowsOfChildren.get(id);
}

function seekChild(child, timeline, time, suppressEvents) {
  const elapsed = time > child.start ? (time - child.start) * child.rate : 0;
  const length = timelineDuration(timeline);
  const local = length < child.from + elapsed ? length : child.from + elapsed;
  timeline.pause?.();
  if (timeline.totalTime) timeline.totalTime(local, suppressEvents);
  else timeline.seek?.(local, suppressEvents);
}

function missingTimelines() {
  const all = registry();
  const rootHasOne = Boolean(all[rootId()] ?? adopted(all));
  return [...document.querySelectorAll(COMPOSITION)]
    .filter((element) => !element.matches("[data-no-timeline],:has(> [data-hf-inner-root][data-no-timeline])"))
    .map((element) => element.getAttribute("data-composition-id"))
    .filter((id) => !(id === rootId() ? rootHasOne : all[id]));
}
