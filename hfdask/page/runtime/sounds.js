// Report to planning what happens to the sounds of a page, and give <audio> elements the state of their clips (docs/compositions.md, 10).

const GROUP = "hf-audio-group";

function fade(medium, name) {
  const seconds = parseFloat(medium.getAttribute(name));
  return seconds > 0 && Number.isFinite(seconds) ? seconds : 0;
}

function isHidden(element) {
  for (let at = element; at; at = parentAcross(at)) if (at.hasAttribute?.("data-hidden")) return true;
  return false;
}

// Return the group of a medium, or null. Scenes may use one id each: then the group that shares the innermost composition with the
// medium counts.
function groupOf(medium, groups) {
  const id = medium.getAttribute("data-hf-group-render-id") ?? medium.getAttribute("data-audio-group");
  if (!id?.trim()) return null;
  const named = groups.filter(
    (group) => group.id === id.trim() || group.getAttribute("data-hf-group-render-id") === id.trim(),
  );
  for (let at = medium; at; at = parentAcross(at)) {
    const near = at.matches?.(COMPOSITION) && named.find((group) => at.contains(group));
    if (near) return near;
  }
  if (!named.length) warn(`${describe(medium)} is in the group "${id}", which is not an <${GROUP}> of the page`);
  return named[0] ?? null;
}

function soundOf(medium, groups) {
  const group = groupOf(medium, groups);
  return {
    volume: feeds.get(medium)?.firstVolume ?? declaredVolume(medium),
    fadeIn: fade(medium, "data-fade-in"),
    fadeOut: fade(medium, "data-fade-out"),
    group: group ? groups.indexOf(group) : null,
    hidden: isHidden(medium) || (group !== null && isHidden(group)),
    ...effectsOf(medium),
    isRead: feeds.get(medium)?.isRead ?? false,
  };
}

function effectsOf(element) {
  return { chain: element.getAttribute("data-fx-chain"), automation: element.getAttribute("data-automation") };
}

function reportSounds() {
  const groups = root ? allMedia(GROUP) : [];
  return {
    sounds: reportMedia("audio"),
    groups: groups.slice(0, MAX_CLIPS).map((group) => ({
      id: cut(group.getAttribute("data-hf-group-render-id") ?? group.id, MAX_NAME),
      element: cut(describe(group), MAX_NAME),
      volume: declaredVolume(group),
      ...effectsOf(group),
    })),
    master: root && {
      id: cut(rootId(), MAX_NAME),
      element: cut(describe(root), MAX_NAME),
      volume: 1,
      ...effectsOf(root),
    },
  };
}

// Return the sounds that planning has to probe, each with its source.
function unknownSounds() {
  return namedFeeds("audio")
    .map(({ video }) => ({
      id: cut(mediaId(video), MAX_NAME),
      element: cut(describe(video), MAX_NAME),
      url: sourceOf(video) ?? "",
    }))
    .filter(({ id }) => !durations.has(id))
    .map((sound) => ({ ...sound, file: sound.url ? fileAt(sound.url) : null, tag: "audio" }));
}

// Give sounds their length. Their scripts then get the events of loading.
function loadSounds() {
  for (const feed of namedFeeds("audio")) {
    const duration = durations.get(mediaId(feed.video)) ?? null;
    if (feed.loaded || duration === null) continue;
    feed.shape = { width: 0, height: 0, duration };
    clockOf(feed.video).videos.tellLoaded(feed);
  }
}

// Give all sounds the state of their clips at a time.
function aimSounds(time) {
  if (!document.getElementsByTagName("audio").length && !shadowRoots.size && !window.length) return; // for speed
  const sounding = namedFeeds("audio");
  if (!sounding.length) return;
  if (clipsAreStale) resolveClips();
  if (sounding.some((feed) => !feed.loaded)) loadSounds();
  for (const feed of sounding) {
    feed.state = soundAt(feed.video, time);
    feed.asked = null;
  }
}

const ALMOST = 1e-3; // seconds before the end of a source that count as its end, because windows begin and end on frames
function soundAt(sound, time) {
  const { origin, pace, start, end, from, rate, points, duration } = playsIn(sound);
  if (time < start || start >= end) return NOT_STARTED;
  const local = Math.max(0, Math.min(time, end) - origin) * pace;
  const reached = from + (points.length ? playedAt(points, local) : local * rate);
  const phase = time < end ? "playing" : "after";
  return { ...NOT_STARTED, phase, time: Math.abs(duration - reached) < ALMOST ? duration : reached };
}

// What sounds play, until the clips are resolved anew.
let played = new Map();
let cutSound = null;
function playsIn(sound) {
  cutSound ??= windowCutter();
  if (!played.has(sound)) {
    const { points } = rampOf(sound);
    const times = cutSound(sound, mediaTimes(sound));
    const duration = durations.get(mediaId(sound)) ?? Number.NaN;
    played.set(sound, { ...times, from: inPoint(sound), rate: playbackRate(sound), points, duration });
  }
  return played.get(sound);
}

function forgetSounds() {
  played = new Map();
  cutSound = null;
}

// Note the volumes that scripts have set while the page loaded. Changes after that are changes over time.
function settleVolumes() {
  for (const feed of allFeeds(MEDIA)) {
    feed.firstVolume = feed.volume;
    feed.hasNewVolume = false;
  }
}

// Return the names of the media whose volume a script has set since.
function changedVolumes() {
  return namedFeeds(MEDIA)
    .filter((feed) => feed.hasNewVolume)
    .map(({ video }) => cut(mediaId(video), MAX_NAME));
}

// Go to each of some frames, and return the volumes of some media there.
async function volumesAt([frames, names]) {
  const rows = [];
  const problems = [];
  for (const number of frames) {
    const answer = await ours(() => frame(number));
    ours(() => {
      if (typeof answer === "object") problems.push(...answer.problems);
      const media = new Map(namedFeeds(MEDIA).map((feed) => [mediaId(feed.video), feed]));
      rows.push(names.map((name) => (media.has(name) ? SHOWN.volume(media.get(name), media.get(name).video) : null)));
    });
  }
  return { __proto__: null, rows, problems: ours(() => few(problems)) };
}
