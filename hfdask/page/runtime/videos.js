// Feed the <video> elements of a page with pictures from the host (docs/compositions.md, 9.6), and keep its <audio> elements silent
// (10.5).
//
// A fed element plays a stream instead of its source. So layout, styles, drawing and scripts treat it as any other <video>, and its own
// loading and playing cannot show another frame. An <audio> gets a stream that has ended. Scripts see the state of its clip at the time of the
// frame. This state does not depend on the real clock or on the frames before.

const VideoTrack = window.MediaStreamTrackGenerator;
const NativeStream = window.MediaStream;
const { stop: stopTrack } = window.MediaStreamTrack?.prototype ?? {};
const { play: playNatively } = HTMLMediaElement.prototype;
const nativeStream = propertyOf(HTMLMediaElement.prototype, "srcObject");
const nativeDefaultRate = propertyOf(HTMLMediaElement.prototype, "defaultPlaybackRate");
const nativeMuted = propertyOf(HTMLMediaElement.prototype, "muted");
const nativePaused = propertyOf(HTMLMediaElement.prototype, "paused");

const MEDIA = "video,audio";
const feeds = own(new WeakMap()); // video or audio -> feed
const NOT_STARTED = Object.freeze({ phase: "before", time: 0, frame: -1, frameTime: 0, picture: null });

const isSound = (medium) => medium.localName === "audio";
const hasSource = (medium) =>
  medium.hasAttribute("src") || [...medium.children].some((child) => child.localName === "source");

function adoptMedium(medium) {
  if (!VideoTrack || feeds.has(medium) || !hasSource(medium) || apply(nativeStream.get, medium, [])) return;
  const feed = newFeed(medium);
  feeds.set(medium, feed);
  for (const type of MEDIA_EVENTS) apply(addListener, medium, [type, keepNativeBack, true]);
}

// Gives the element a stream, and plays it if it is a video.
function newFeed(video) {
  const track = isSound(video) ? null : new VideoTrack({ kind: "video" });
  const feed = {
    video,
    writable: track?.writable, // null after it was handed to the worker
    number: 0, // number of its stream in the worker; 0 before it has one
    shape: null, // {width, height, duration}, or null until the host has sent it
    loaded: false,
    state: NOT_STARTED,
    told: NOT_STARTED,
    key: null, // number of the picture that was written last; 0 for the transparent picture
    size: null, // display size of that picture
    resizeBy: 0, // latest time at which the element takes that size, by the real clock
    written: own([]), // time stamps of that picture, which may have been written more than once
    place: null, // place at which the element was seen in the last frame
    asked: null, // the time that a script has set
    seeking: false,
    muted: apply(nativeMuted.get, video, []),
    volume: null, // that a script has set; null for the declared volume
    hasNewVolume: false, // true if a script has set it since the page was ready
    isRead: false, // true if a script has read a time of it
    rate: 1,
    defaultRate: apply(nativeDefaultRate.get, video, []),
    callbacks: own(new Map()),
    calledFor: -1,
  };
  apply(nativeMuted.set, video, [true]); // else the browser may refuse to play it
  apply(nativeStream.set, video, [new NativeStream([track ?? stoppedTrack()])]);
  if (track) startNatively(video);
  adoptTracks(video);
  return feed;
}

// Without a track, a stream would delay the load of the page without end.
let silentTrack = null;
function stoppedTrack() {
  if (!silentTrack) {
    silentTrack = new VideoTrack({ kind: "audio" });
    apply(stopTrack, silentTrack, []);
  }
  return silentTrack;
}

// An element shows the pictures of its stream only while it plays. It stops playing if it is taken out of the page, or gets
// another source.
function startNatively(video) {
  if (apply(nativePaused.get, video, [])) later(apply(playNatively, video, []), () => {});
}

// Adopt the media in a new element. This is called with all changes of the document, before the browser loads the source of a new element.
function adoptMediaIn(element) {
  adoptAround(element);
  for (const medium of element.querySelectorAll(MEDIA)) adoptAround(medium);
}

treeSetUps.push((root) => {
  for (const medium of root.querySelectorAll(MEDIA)) adoptMedium(medium);
});
documentSetUps.push(() => {
  for (const medium of document.querySelectorAll(MEDIA)) adoptMedium(medium);
});

function adoptAround(element) {
  const medium = ["source", "track"].includes(element.localName) ? element.parentElement : element;
  if (!medium?.matches(MEDIA)) return;
  adoptMedium(medium);
  if (medium !== element && feeds.has(medium)) adoptTracks(medium);
}

const ownFeeds = (tag) =>
  allMatching(tag)
    .map((medium) => feeds.get(medium))
    .filter(Boolean);

// Return the feeds of the elements with a tag in this document and in the documents in its frames.
function allFeeds(tag) {
  return [...ownFeeds(tag), ...childClocks().flatMap((clock) => clock.videos.feeds(tag))];
}

// Events of the stream are kept from the page's scripts, because they are not events of the clip.
const MEDIA_EVENTS = [
  ...["abort", "canplay", "canplaythrough", "durationchange", "emptied", "ended", "error", "loadeddata"],
  ...["loadedmetadata", "loadstart", "pause", "play", "playing", "progress", "ratechange", "resize", "seeked"],
  ...["seeking", "stalled", "suspend", "timeupdate", "volumechange", "waiting"],
];
const keepNativeBack = entering((event) => {
  const feed = event.isTrusted ? feeds.get(event.target) : undefined;
  if (!feed) return;
  event.stopImmediatePropagation();
  if (event.type === "resize") feed.resizeBy = 0;
});
function keepNativesBack(target) {
  for (const type of MEDIA_EVENTS) apply(addListener, target, [type, keepNativeBack, true]);
}
keepNativesBack(window);
treeSetUps.push(keepNativesBack);

function tellMedia(target, type) {
  guarded(() => apply(dispatchTo, target, [new Event(type)]));
}

// Events that follow from a script's own call are dispatched after the call, and before the next frame.
const soonTold = own([]);
let telling = null;
function tellSoon(feed, ...types) {
  for (const type of types) soonTold.push({ feed, type });
  telling ??= later(reactions(), () => {
    telling = null;
    ours(() => {
      for (const { feed, type } of soonTold.splice(0)) {
        if (type === "seeked") feed.seeking = false;
        tellMedia(feed.video, type);
      }
    });
  });
}

// Return the pending dispatches of this document and of the documents in its frames.
function tellingVideos() {
  return [telling, ...childClocks().flatMap((clock) => clock.videos.telling())].filter(Boolean);
}

const LOAD_EVENTS = ["loadstart", "durationchange", "loadedmetadata", "loadeddata", "canplay", "canplaythrough"];
function tellLoaded(feed) {
  feed.loaded = true;
  for (const type of LOAD_EVENTS) tellMedia(feed.video, type);
}

const isEnded = ({ shape, loaded }, { phase, time }, video) =>
  loaded && phase !== "before" && (isSound(video) || !video.loop) && time >= shape.duration;
const isPaused = (feed, state) => state.phase !== "playing" || isEnded(feed, state, feed.video);

// Yield the types of the events from one frame to the next. In the first frame of a chunk, these are all events since the start.
function* changesOf(feed, before, now) {
  const [paused, ended] = [isPaused(feed, now), isEnded(feed, now, feed.video)];
  const wasPaused = isPaused(feed, before);
  const hasRun = !paused || (before.phase === "before" && now.phase !== "before");
  if (wasPaused && hasRun) yield* ["play", "playing"];
  const goesBack = !wasPaused && !paused && now.time < before.time;
  if (goesBack) yield "seeking";
  if (now.time !== before.time && (hasRun || !wasPaused)) yield "timeupdate";
  if (goesBack) yield "seeked";
  if (paused && (!wasPaused || hasRun)) yield "pause";
  if (ended && !isEnded(feed, before, feed.video)) yield "ended";
}

// Dispatch the events of a frame. They come before the callbacks of `requestAnimationFrame`, as in a browser.
function tellVideos() {
  for (const feed of ownFeeds(MEDIA)) {
    if (!feed.loaded) continue;
    const types = [...changesOf(feed, feed.told, feed.state)];
    feed.told = feed.state;
    for (const type of types) tellMedia(feed.video, type);
    showCues(feed);
    callBack(feed);
  }
}

function callBack(feed) {
  const { frame, frameTime, picture } = feed.state;
  if (picture === null || frame === feed.calledFor) return;
  feed.calledFor = frame;
  const run = feed.callbacks;
  feed.callbacks = own(new Map());
  const metadata = {
    presentationTime: virtualMs,
    expectedDisplayTime: virtualMs,
    width: feed.shape.width,
    height: feed.shape.height,
    mediaTime: frameTime,
    presentedFrames: frame + 1,
    processingDuration: 0,
  };
  for (const callback of run.values()) guarded(() => callback(virtualMs, { ...metadata }));
}

// Properties and methods of videos for scripts. An element that is not fed keeps the browser's own.
const { create: createFrom } = Object;
const rangesKind = TimeRanges.prototype;
function rangesUntil(end) {
  const edge = (value) => (index) => {
    if (index >= ranges.length) throw new DOMException("there is no such range", "IndexSizeError");
    return value;
  };
  const ranges = createFrom(rangesKind, {
    length: { value: end > 0 ? 1 : 0 },
    start: { value: edge(0) },
    end: { value: edge(end) },
  });
  return ranges;
}

const timeOf = (feed) => feed.asked ?? Math.min(feed.state.time, feed.shape?.duration ?? 0);
const finite = (value) => {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new TypeError("The provided double value is non-finite.");
  return number;
};

const MAX_GAIN = 10 ** (12 / 20);
function declaredVolume(medium) {
  const written = medium.getAttribute("data-volume")?.trim();
  const volume = written ? Number(written) : 1;
  return Number.isFinite(volume) ? Math.min(MAX_GAIN, Math.max(0, volume)) : 1;
}

// A script that reads one of these may draw it.
const TIMES_OF_CLIP = ["currentTime", "duration", "paused", "ended", "seekable", "buffered", "played"];

/** @type {Record<string, (feed: any, video: any) => any>} */
const SHOWN = {
  currentTime: timeOf,
  currentSrc: (_feed, video) => ours(() => sourceOfVideo(video)),
  duration: ({ loaded, shape }) => (loaded ? shape.duration : Number.NaN),
  paused: (feed) => isPaused(feed, feed.state),
  ended: (feed, video) => isEnded(feed, feed.state, video),
  seeking: ({ seeking }) => seeking,
  seekable: ({ loaded, shape }) => rangesUntil(loaded ? shape.duration : 0),
  buffered: ({ loaded, shape }) => rangesUntil(loaded ? shape.duration : 0),
  played: (feed) => rangesUntil(feed.state.phase === "before" ? 0 : timeOf(feed)),
  readyState: ({ loaded }) => (loaded ? HTMLMediaElement.HAVE_ENOUGH_DATA : HTMLMediaElement.HAVE_NOTHING),
  networkState: ({ loaded }) => (loaded ? HTMLMediaElement.NETWORK_IDLE : HTMLMediaElement.NETWORK_LOADING),
  error: () => null,
  srcObject: () => null,
  muted: ({ muted }) => muted,
  volume: ({ volume }, video) => volume ?? ours(() => declaredVolume(video)),
  playbackRate: ({ rate }) => rate,
  defaultPlaybackRate: ({ defaultRate }) => defaultRate,
  videoWidth: ({ loaded, shape }) => (loaded ? shape.width : 0),
  videoHeight: ({ loaded, shape }) => (loaded ? shape.height : 0),
};

// Return the URL of the source, by the same rule as planning (`sourceOf`).
function sourceOfVideo(video) {
  const sources = [...video.children].filter((child) => child.localName === "source" && child.getAttribute("src"));
  const listed = sources.map((source) => source.getAttribute("src").trim());
  const found = video.getAttribute("src")?.trim() || (listed.find((src) => !/^https?:/i.test(src)) ?? listed[0] ?? "");
  return found && (URL.parse(found, video.baseURI)?.href ?? "");
}

/** @type {Record<string, (feed: any, value: any, video: any) => void>} */
const SET = {
  currentTime(feed, value) {
    feed.asked = Math.max(0, Math.min(finite(value), feed.shape?.duration ?? Infinity));
    feed.seeking = true;
    tellSoon(feed, "seeking", "timeupdate", "seeked");
  },
  muted(feed, value) {
    feed.muted = Boolean(value);
    tellSoon(feed, "volumechange");
  },
  volume(feed, value) {
    feed.volume = finite(value); // a gain may be more than 1, and an ease may overshoot
    feed.hasNewVolume = true;
    tellSoon(feed, "volumechange");
  },
  playbackRate(feed, value) {
    feed.rate = finite(value);
    tellSoon(feed, "ratechange");
  },
  defaultPlaybackRate(feed, value) {
    feed.defaultRate = finite(value);
    tellSoon(feed, "ratechange");
  },
  // If a script sets its own stream, the browser plays it, and the video is no longer fed.
  srcObject(feed, value, video) {
    if (value === null) return;
    feeds.delete(video);
    apply(nativeMuted.set, video, [feed.muted]);
    apply(nativeStream.set, video, [value]);
  },
};

function warnOfPlaying(medium) {
  if (isSound(medium) && !medium.isConnected)
    tellFault("a script plays a sound that is not in the document, so it is not heard: put an <audio> into the page");
}

/** @type {Record<string, (feed: any, ...args: any[]) => any>} */
const CALLED = {
  play: () => new taken.Promise((done) => done(undefined)),
  pause() {},
  load(feed) {
    if (feed.loaded) tellSoon(feed, "emptied", ...LOAD_EVENTS);
  },
  fastSeek: (feed, time) => SET.currentTime(feed, time, feed.video),
  requestVideoFrameCallback(feed, callback) {
    if (typeof callback !== "function") throw new TypeError("requestVideoFrameCallback needs a function");
    feed.callbacks.set(nextRequest, callback);
    return nextRequest++;
  },
  cancelVideoFrameCallback: (feed, id) => void feed.callbacks.delete(id),
  getVideoPlaybackQuality: ({ state }) => ({
    creationTime: virtualMs,
    droppedVideoFrames: 0,
    corruptedVideoFrames: 0,
    totalVideoFrames: state.frame + 1,
  }),
};

for (const prototype of [HTMLMediaElement.prototype, HTMLVideoElement.prototype]) {
  for (const name of ownKeys(prototype)) {
    const property = propertyOf(prototype, name);
    if (typeof name !== "string") continue;
    if (hasOwn(SHOWN, name)) {
      const readsTime = TIMES_OF_CLIP.includes(name);
      const get = function () {
        const feed = feeds.get(this);
        if (!feed) return apply(property.get, this, []);
        feed.isRead ||= readsTime;
        return SHOWN[name](feed, this);
      };
      const set =
        property.set &&
        function (value) {
          const feed = feeds.get(this);
          if (!feed) apply(property.set, this, [value]);
          else if (SET[name]) ours(() => SET[name](feed, value, this));
        };
      redefine(prototype, name, { ...property, get, set });
    } else if (hasOwn(CALLED, name)) {
      const call = {
        [name](...args) {
          const feed = feeds.get(this);
          if (!feed && name === "play") ours(() => warnOfPlaying(this));
          return feed ? ours(() => CALLED[name](feed, ...args)) : apply(property.value, this, args);
        },
      }[name];
      define(prototype, name, call);
    }
  }
}
