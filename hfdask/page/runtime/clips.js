// Resolve when videos and sounds of the page show, and which part of their source they play (docs/compositions.md, 9).

const AUTO_START = "data-hf-auto-start";

// Give each medium without a start the start of its composition, so that it is a clip as others are.
function startBareMedia(page) {
  for (const medium of page.querySelectorAll("video:not([data-start]),audio:not([data-start])")) {
    medium.setAttribute("data-start", "0");
    medium.setAttribute(AUTO_START, "");
  }
}

// Return the URL of a medium's source, or null. Among several `<source>` elements, files of the project come first.
function sourceOf(medium) {
  const own = medium.getAttribute("src")?.trim();
  const listed = [...medium.querySelectorAll("source[src]")].map((source) => source.getAttribute("src").trim());
  const found = own || listed.find((src) => src && !/^https?:/i.test(src)) || listed.find(Boolean);
  return found ? (URL.parse(found, medium.ownerDocument.baseURI)?.href ?? null) : null;
}

// Durations of sources in seconds, by the names of their media. Planning has measured them. It is null if a source cannot be used.
const durations = own(new Map(Object.entries(config.durations)));
function knowDurations(known) {
  for (const [name, seconds] of Object.entries(known)) durations.set(name, seconds);
  clipsAreStale = true;
}

// Return the element around an element, also across the borders of shadow trees and frames.
function parentAcross(element) {
  const tree = element.getRootNode();
  return element.parentElement ?? tree.host ?? tree.defaultView?.frameElement ?? null;
}

function isInPage(element) {
  return element.getRootNode() === document;
}

// Return the element itself if it is in the page's document, else the closest element of the document around it.
function inPage(element) {
  let at = element;
  while (at && !isInPage(at)) at = parentAcross(at);
  return at;
}

function compositionAround(element) {
  return isInPage(element) ? parentComposition(element) : (inPage(element)?.closest(COMPOSITION) ?? null);
}

// Return the time on the page's clock at which a composition's second 0 is, its pace, and the window that all hosts around it leave open.
function slotOf(composition, trail) {
  if (!composition || composition === root) return { origin: 0, pace: 1, from: 0, to: Infinity };
  const host = windowElement(composition);
  const outer = parentComposition(host);
  const around = slotOf(outer, trail);
  const local = resolveStart(composition, 0, trail) - (outer ? resolveStart(outer, 0, trail) : 0);
  const start = around.origin + local / around.pace;
  const pace = around.pace * playbackRate(host);
  const length = declaredDuration(host, local);
  const end = length === null ? Infinity : around.origin + (local + length) / around.pace;
  const window = { from: Math.max(around.from, start), to: Math.min(around.to, end) };
  return { origin: start - inPoint(host) / pace, pace, ...window };
}

// Return when a medium begins to play (`origin`, in seconds of the page), its window, and the pace of its own seconds. A
// number in `data-start` counts in the composition around the medium. With the basis "global", it counts in the page. A
// reference also counts in the page.
function mediaTimes(element, trail = new Set()) {
  const composition = compositionAround(element);
  const slot = slotOf(composition, trail);
  const number = isInPage(element) ? strictNumber(element.getAttribute("data-start")) : (ownSeconds(element) ?? 0);
  const isGlobal = element.getAttribute("data-hf-media-start-basis")?.trim().toLowerCase() === "global";
  const isLocal = number !== null && !isGlobal;
  const pace = isLocal ? slot.pace : 1;
  const origin = isLocal
    ? slot.origin + number / pace
    : (number ?? resolveStart(element, composition ? resolveStart(composition, 0, trail) : 0, trail));
  const declared = declaredDuration(element, origin);
  const length = isSound(element) ? soundingLength(element, declared) : declared;
  const end = length === null ? Infinity : origin + length / pace;
  return { origin, pace, declared, length, start: Math.max(0, origin, slot.from), end: Math.min(end, slot.to) };
}

// A sound ends with its source, also if its author declares a longer time. With `loop`, the author's time stays, but nothing is heard.
const HELD = 0.05; // seconds
function soundingLength(element, declared) {
  const natural = naturalLength(element);
  if (declared === null || natural === null) return declared ?? natural;
  return element.hasAttribute("loop") || declared <= natural + HELD ? declared : natural;
}

function ownSeconds(element) {
  return strictNumber(element.getAttribute("data-start"));
}

// Return the end of a medium, for clips that refer to it and for the length of the output. Without a duration, it ends with its source.
function mediaEnd(element, trail) {
  const { origin, pace, length, start } = mediaTimes(element, trail);
  const lasts = length ?? naturalLength(element);
  return lasts > 0 ? origin + lasts / pace : start;
}

function naturalLength(element) {
  const seconds = durations.get(mediaId(element)) ?? null;
  if (seconds === null) return null;
  const left = Math.max(0, seconds - inPoint(element));
  const { points } = rampOf(element);
  return points.length ? timeWhenPlayed(points, left) : left / playbackRate(element);
}

// Return a function that cuts the times of a medium to the windows around it, in seconds of the page.
function windowCutter() {
  const { seconds } = rootDuration();
  const byElement = new Map(clips.map((clip) => [clip.element, clip]));
  return (medium, times) => {
    let [start, end] = [onGrid(times.start), onGrid(Math.min(times.end, seconds))];
    for (let clip = byElement.get(inPage(medium).closest("[data-start]")); clip; clip = clip.parent) {
      if (clip.element !== root) [start, end] = [Math.max(start, clip.start), Math.min(end, clip.end)];
    }
    return { ...times, start, end };
  };
}

// Report every video, or every sound, with a source to planning. If one never shows, its window is empty. `slot` is the declared
// length, in the clip's own seconds.
const MAX_URL = 10_000;
function reportMedia(tag) {
  if (!root) return [];
  if (clipsAreStale) resolveClips();
  const cutToWindows = windowCutter();
  const groups = allMedia(GROUP);
  const found = [];
  for (const medium of allMedia(tag)) {
    const url = sourceOf(medium);
    if (url === null) continue;
    const times = cutToWindows(medium, mediaTimes(medium));
    const ramp = rampOf(medium);
    found.push({
      id: cut(mediaId(medium), MAX_NAME),
      tag,
      element: cut(describe(medium), MAX_NAME),
      url: cut(url, MAX_URL),
      file: fileAt(url),
      start: times.start,
      end: times.end,
      origin: times.origin,
      pace: times.pace,
      slot: times.declared,
      mediaStart: inPoint(medium),
      rate: playbackRate(medium),
      ramp: ramp.points,
      problem: ramp.problem,
      loop: medium.hasAttribute("loop"),
      muted: medium.hasAttribute("muted") || medium.muted,
      declaresSound: ["true", null].includes(medium.getAttribute("data-has-audio")),
      auto: !isSound(medium) && medium.hasAttribute(AUTO_START),
      sound: soundOf(medium, groups),
    });
  }
  if (found.length > MAX_CLIPS) addProblem(`the page has ${found.length} <${tag}>s; a plan can list ${MAX_CLIPS}`);
  return found.slice(0, MAX_CLIPS);
}

// Return the names of the videos without a start whose scene can be seen at this frame.
function scenesOn() {
  const byElement = new Map(clips.map((clip) => [clip.element, clip]));
  return [...document.querySelectorAll(`video[${AUTO_START}]`)]
    .filter((video) => byElement.get(video)?.visible)
    .filter((video) => Number(getComputedStyle(video.closest(".scene") ?? video).opacity) > 0)
    .map((video) => mediaId(video));
}
