// The data-start grammar, and starts and durations of timed elements (docs/compositions.md, 3).

function strictNumber(text) {
  if (text === null || text === undefined || text.trim() === "") return null;
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : null;
}

function numberAttribute(element, ...names) {
  for (const name of names) {
    const value = strictNumber(element.getAttribute(name));
    if (value !== null) return value;
  }
  return null;
}

// -> {seconds} | {id, offset} | null
function parseStart(text) {
  if (text === null || text.trim() === "") return null;
  const seconds = strictNumber(text);
  if (seconds !== null) return { seconds };
  const trimmed = text.trim();
  if (/^[A-Za-z0-9_.:-]+$/.test(trimmed)) return { id: trimmed, offset: 0 };
  const match = /^([A-Za-z0-9_.:-]+)\s*([+-])\s*(\d+(?:\.\d+)?)$/.exec(trimmed);
  if (match) return { id: match[1], offset: Number(match[2] + match[3]) };
  warn(`data-start="${text}" is neither seconds nor a reference such as "intro" or "intro + 0.5"; it is ignored`);
  return null;
}

const COMPOSITION = "[data-composition-id]";

function findTarget(id) {
  const renamed = `[data-hf-original-composition-id="${CSS.escape(id)}"]`;
  return document.getElementById(id) ?? compositionNamed(id) ?? document.querySelector(renamed);
}

// Return the element with a composition's window: the composition, or its host if it is the wrapper in a host without an id.
function windowElement(composition) {
  return composition.hasAttribute("data-hf-inner-root") ? composition.closest("[data-hf-scope]") : composition;
}

// Return the composition that an element is, or hosts; null for other elements.
function compositionIn(element) {
  if (element.matches(COMPOSITION)) return element;
  return element.hasAttribute("data-hf-scope") ? element.querySelector(`[data-hf-inner-root]${COMPOSITION}`) : null;
}

function parentComposition(element) {
  return element.parentElement?.closest(COMPOSITION) ?? null;
}

// Starts that stay the same while the clips are resolved. Without them, each clip of a chain would walk along the whole
// chain.
const knownStarts = new Map();
let cycles = 0;

function resolveStart(element, fallback = 0, trail = new Set()) {
  if (element === root) return 0; // whatever it declares: the root is the video
  if (clipsAreStale || fallback !== 0) return findStart(element, fallback, trail);
  if (!knownStarts.has(element)) {
    const before = cycles;
    const start = findStart(element, fallback, trail);
    if (cycles !== before) return start; // it depends on the clip at which the cycle was entered
    knownStarts.set(element, start);
  }
  return knownStarts.get(element);
}

// `trail` holds the elements whose start is being resolved: meeting one again is a cycle.
function findStart(element, fallback, trail) {
  if (trail.has(element)) {
    cycles++;
    warn(`data-start references form a cycle at ${describe(element)}; the cycle starts at ${fallback} s`);
    return fallback;
  }
  trail = new Set(trail).add(element);
  const parsed = parseStart(element.getAttribute("data-start"));
  if (parsed === null) {
    if (!element.matches(COMPOSITION)) return fallback;
    const host = windowElement(element);
    const above = host === element ? parentComposition(element) : host;
    return above ? resolveStart(above, fallback, trail) : fallback;
  }
  if ("seconds" in parsed) {
    const parent = parentComposition(element);
    return (parent ? resolveStart(parent, 0, trail) : 0) + Math.max(0, parsed.seconds);
  }
  const target = findTarget(parsed.id);
  if (!target) {
    const what = `data-start of ${describe(element)} refers to "${parsed.id}", which is not an element's id`;
    warn(`${what}; it starts at ${fallback} s`);
    return fallback;
  }
  if (trail.has(target)) {
    cycles++;
    warn(`data-start references form a cycle at ${describe(element)}; it starts at ${fallback} s`);
    return fallback;
  }
  const end = target.matches(MEDIA) ? mediaEnd(target, trail) : endOf(target, trail);
  return Math.max(0, end + parsed.offset);
}

// An element without an end counts as if it ended at its start.
function endOf(element, trail) {
  const start = resolveStart(element, 0, trail);
  return start + (resolveDuration(element, start) ?? 0);
}

// Return the duration that the author declares, in seconds of the composition around the element; null if none is declared.
function declaredDuration(element, start) {
  const declared = numberAttribute(element, "data-duration");
  if (declared > 0) return declared;
  const authored = numberAttribute(element, "data-hf-authored-duration");
  if (authored > 0) return authored;
  const end = numberAttribute(element, "data-end", "data-hf-authored-end");
  // An author writes both in the same clock: in a host, both count from the host's start. If `data-start` is a reference, `start` counts.
  const from = strictNumber(element.getAttribute("data-start")) ?? start;
  return end !== null && end - from > 0 ? end - from : null;
}

// Return the duration in seconds, or null if it is unknown.
function resolveDuration(element, start) {
  const declared = declaredDuration(element, start);
  if (declared !== null) return declared;
  const composition = compositionIn(element);
  const duration = composition ? timelineDuration(timelineOf(composition)) : 0;
  return duration > 0 ? duration : null;
}

function inPoint(element) {
  for (const name of ["data-playback-start", "data-media-start"]) {
    const value = numberAttribute(element, name);
    if (value >= 0 && value !== null) return value;
  }
  return 0;
}

const [MIN_RATE, MAX_RATE] = [0.1, 10];
function playbackRate(element) {
  const declared = strictNumber(element.getAttribute("data-playback-rate"));
  const rate = declared > 0 ? declared : element.matches(MEDIA) ? element.defaultPlaybackRate : 1;
  return rate > 0 ? Math.min(MAX_RATE, Math.max(MIN_RATE, rate)) : 1;
}

function startOf(element) {
  return element.matches(MEDIA) ? mediaTimes(element).start : resolveStart(element);
}

// Move a bound that is almost on a frame onto it (docs/compositions.md, 9.3).
const SNAP = 1e-3; // frames
function onGrid(seconds) {
  const frames = (seconds * RATE) / PER_SECONDS;
  const nearest = Math.round(frames);
  return Math.abs(frames - nearest) <= SNAP ? frameTime(nearest) : seconds;
}

function describe(element) {
  const id = element.id || element.getAttribute("data-composition-id");
  return `<${element.localName}${id ? ` "${id}"` : ""}>`;
}

ownStart = (element) => (element.hasAttribute("data-start") ? startOf(element) : 0);
