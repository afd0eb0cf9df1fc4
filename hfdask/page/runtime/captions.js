// Play the text tracks of media by the state of their clips (docs/compositions.md, 9.8). The browser plays cues by the real clock. So for the
// browser, a cue of the frame's time lasts without end, an earlier cue has no length, and a later cue is far away. Scripts see the times that
// the author wrote, and events at frames.

const CUE_EVENTS = ["enter", "exit", "cuechange"];
const FAR = 1e6; // seconds
const TINY = 1e-9; // seconds; also a factor that keeps cues in their order
const nativeTimes = {
  startTime: propertyOf(TextTrackCue.prototype, "startTime"),
  endTime: propertyOf(TextTrackCue.prototype, "endTime"),
};
const nativeActive = propertyOf(TextTrack.prototype, "activeCues");
const { addTextTrack } = HTMLMediaElement.prototype;
const cueTimes = own(new WeakMap()); // cue -> {startTime, endTime, place}
const trackMedia = own(new WeakMap()); // track -> its medium

// The browser's own events of a cue or a track of fed media are kept from the page's scripts.
const keepCueEventBack = entering((event) => {
  const track = event.target.track ?? event.target;
  if (event.isTrusted && feeds.has(trackMedia.get(track))) event.stopImmediatePropagation();
});

// Must come before listeners of the page: cues and tracks are not nodes, so the first listener is called first.
const heldBack = own(new WeakSet());
function keepCueEventsBack(target) {
  if (heldBack.has(target)) return target;
  heldBack.add(target);
  for (const type of CUE_EVENTS) apply(addListener, target, [type, keepCueEventBack, true]);
  return target;
}

function adoptTracks(medium) {
  for (const track of medium.textTracks) trackMedia.set(keepCueEventsBack(track), medium);
  for (const child of medium.children) if (child.localName === "track") keepCueEventsBack(child);
}

// Return "later", "now" or "earlier".
function cuePlace({ startTime, endTime }, { phase, time }) {
  if (phase === "before" || time + TINY < startTime) return "later";
  return phase === "playing" && time + TINY < endTime ? "now" : "earlier";
}

// Give a cue the times for the browser that belong to a state. Return its events. A cue that was passed over has both, as in browsers.
function placeCue(cue, state) {
  if (!cueTimes.has(cue)) {
    cueTimes.set(cue, { startTime: cue.startTime, endTime: cue.endTime, place: "" });
  }
  const times = cueTimes.get(cue);
  const before = times.place;
  times.place = cuePlace(times, state);
  if (times.place === before) return [];
  const startTime = times.place === "later" ? FAR + times.startTime : times.startTime * TINY;
  const endTime = { later: FAR + times.endTime, now: Infinity, earlier: startTime }[times.place];
  const wanted = { startTime, endTime };
  // In this order the cue is never active in between.
  for (const name of times.place === "earlier" ? ["endTime", "startTime"] : ["startTime", "endTime"]) {
    apply(nativeTimes[name].set, cue, [wanted[name]]);
  }
  const isPassed = times.place === "earlier" && before !== "now";
  const events = [];
  if (times.place === "now" || isPassed) events.push({ cue, type: "enter", at: times.startTime });
  if (before === "now" || isPassed) events.push({ cue, type: "exit", at: times.endTime });
  return events;
}

// Bring the cues of a medium to its state, and dispatch their events.
function showCues(feed) {
  const { video } = feed;
  if (!video.textTracks.length) return;
  adoptTracks(video);
  for (const track of video.textTracks) {
    if (!track.cues) continue; // its mode is "disabled"
    feed.isRead = true;
    const events = [...track.cues].flatMap((cue) => placeCue(cue, feed.state)).sort((a, b) => a.at - b.at);
    if (!events.length) continue;
    moved = true;
    for (const { cue, type } of events) tellMedia(cue, type);
    const element = [...video.children].find((child) => child.track === track);
    for (const target of element ? [track, element] : [track]) tellMedia(target, "cuechange");
  }
}

for (const [name, property] of Object.entries(nativeTimes)) {
  redefine(TextTrackCue.prototype, name, {
    ...property,
    get() {
      return cueTimes.get(this)?.[name] ?? apply(property.get, this, []);
    },
    set(value) {
      const times = cueTimes.get(this);
      if (times) times[name] = name === "endTime" ? Number(value) : finite(value);
      else apply(property.set, this, [value]);
    },
  });
}

window.VTTCue = new Proxy(VTTCue, {
  construct: (...args) => ours(() => keepCueEventsBack(Reflect.construct(...args))),
});
define(VTTCue.prototype, "constructor", VTTCue);

const nativeCues = propertyOf(TextTrack.prototype, "cues");
redefine(TextTrack.prototype, "cues", {
  ...nativeCues,
  get() {
    const cues = apply(nativeCues.get, this, []);
    if (cues) ours(() => Array.from(cues, keepCueEventsBack));
    return cues;
  },
});

const nativeTrack = propertyOf(HTMLTrackElement.prototype, "track");
redefine(HTMLTrackElement.prototype, "track", {
  ...nativeTrack,
  get() {
    return ours(() => keepCueEventsBack(apply(nativeTrack.get, this, [])));
  },
});

redefine(TextTrack.prototype, "activeCues", {
  ...nativeActive,
  get() {
    const feed = feeds.get(trackMedia.get(this));
    const active = apply(nativeActive.get, this, []);
    if (!feed || !active) return active;
    return ours(() => cueList([...this.cues].filter((cue) => cuePlace(cue, feed.state) === "now")));
  },
});

function cueList(cues) {
  const entries = cues.map((value, index) => [index, { value, enumerable: true }]);
  return createFrom(TextTrackCueList.prototype, {
    ...Object.fromEntries(entries),
    length: { value: cues.length },
    getCueById: { value: (id) => cues.find((cue) => cue.id === id) ?? null },
    [Symbol.iterator]: { value: () => cues.values() },
  });
}

override(HTMLMediaElement.prototype, {
  addTextTrack(...args) {
    const track = apply(addTextTrack, this, args);
    if (feeds.has(this)) ours(() => adoptTracks(this));
    return track;
  },
});
