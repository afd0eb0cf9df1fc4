// Videos and sounds of the page: when they show, and which part of their source they play (docs/compositions.md, 9).

const MEDIA = "video,audio";
const AUTO_START = "data-hf-auto-start";

// A video without a start begins with its composition, and is a clip like others.
function startBareVideos(page) {
  for (const video of page.querySelectorAll("video:not([data-start])")) {
    video.setAttribute("data-start", "0");
    video.setAttribute(AUTO_START, "");
  }
}

// The URL of what a video plays, or null: of several sources one that is a file of the project comes first.
function sourceOf(video) {
  const own = video.getAttribute("src")?.trim();
  const listed = [...video.querySelectorAll("source[src]")].map((source) => source.getAttribute("src").trim());
  const found = own || listed.find((src) => src && !/^https?:/i.test(src)) || listed.find(Boolean);
  return found ? (URL.parse(found, video.ownerDocument.baseURI)?.href ?? null) : null;
}

// Seconds that sources last, by the names of their videos: planning has looked into them.
let durations = config.durations;
function knowDurations(known) {
  durations = { ...durations, ...known };
  clipsAreStale = true;
}

// What an element is in, out of shadow trees and frames too.
function parentAcross(element) {
  const tree = element.getRootNode();
  return element.parentElement ?? tree.host ?? tree.defaultView?.frameElement ?? null;
}

function isInPage(element) {
  return element.getRootNode() === document;
}

// The element of the page that an element is in, or is.
function inPage(element) {
  let at = element;
  while (at && !isInPage(at)) at = parentAcross(at);
  return at;
}

function compositionAround(element) {
  return isInPage(element) ? parentComposition(element) : (inPage(element)?.closest(COMPOSITION) ?? null);
}

// Where a composition's second 0 is on the page's clock, the pace of its seconds, and the window that all hosts leave it.
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

// When a medium begins to play (`origin`, in seconds of the page), its window, and the pace of its own seconds in it. A
// number counts in the composition around it; with the basis "global", and as a reference, in the page.
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
  const length = declaredDuration(element, origin);
  const end = length === null ? Infinity : origin + length / pace;
  return { origin, pace, length, start: Math.max(0, origin, slot.from), end: Math.min(end, slot.to) };
}

function ownSeconds(element) {
  return strictNumber(element.getAttribute("data-start"));
}

// Where a medium ends for those that follow it, and for the length of the video: without a duration, where its source does.
function mediaEnd(element, trail) {
  const { origin, pace, length, start } = mediaTimes(element, trail);
  const lasts = length ?? naturalLength(element);
  return lasts > 0 ? origin + lasts / pace : start;
}

function naturalLength(element) {
  const seconds = element.localName === "video" ? durations[videoId(element)] : undefined;
  if (seconds === undefined) return null;
  const left = Math.max(0, seconds - inPoint(element));
  const { points } = rampOf(element);
  return points.length ? timeWhenPlayed(points, left) : left / playbackRate(element);
}

// What planning asks for: every video with a source; one that never shows has an empty window. `slot` is the declared length, in its own seconds.
const MAX_URL = 10_000;
function reportVideos() {
  if (!root) return [];
  if (clipsAreStale) resolveClips();
  const { seconds } = rootDuration();
  const byElement = new Map(clips.map((clip) => [clip.element, clip]));
  const found = [];
  for (const video of allVideos()) {
    const url = sourceOf(video);
    const times = mediaTimes(video);
    let [start, end] = [onGrid(times.start), onGrid(Math.min(times.end, seconds))];
    const element = inPage(video);
    for (let clip = byElement.get(element.closest("[data-start]")); clip; clip = clip.parent) {
      if (clip.element !== root) [start, end] = [Math.max(start, clip.start), Math.min(end, clip.end)];
    }
    if (url === null) continue;
    const ramp = rampOf(video);
    found.push({
      id: cut(videoId(video), MAX_NAME),
      element: cut(describe(video), MAX_NAME),
      url: cut(url, MAX_URL),
      file: fileAt(url),
      start,
      end,
      origin: times.origin,
      pace: times.pace,
      slot: times.length,
      mediaStart: inPoint(video),
      rate: playbackRate(video),
      ramp: ramp.points,
      problem: ramp.problem,
      loop: video.hasAttribute("loop"),
      muted: video.hasAttribute("muted") || video.muted,
      declaresSound: video.getAttribute("data-has-audio") !== "false",
      auto: video.hasAttribute(AUTO_START),
    });
  }
  if (found.length > MAX_CLIPS) addProblem(`the page has ${found.length} videos; a plan can list ${MAX_CLIPS}`);
  return found.slice(0, MAX_CLIPS);
}

// The names of the videos without a start whose scene can be seen at this frame.
function scenesOn() {
  const byElement = new Map(clips.map((clip) => [clip.element, clip]));
  return [...document.querySelectorAll(`video[${AUTO_START}]`)]
    .filter((video) => byElement.get(video)?.visible)
    .filter((video) => Number(getComputedStyle(video.closest(".scene") ?? video).opacity) > 0)
    .map((video) => videoId(video));
}
