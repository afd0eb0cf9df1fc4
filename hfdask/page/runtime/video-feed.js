// Hands pictures from the host to the videos of all documents, and waits until they are shown (docs/compositions.md, 9.6).
//
// The host puts a picture into a slot of a file. A worker reads it and writes it to the element's stream. When that is done,
// the element does not show it yet; but a `VideoFrame` made of the element has the time stamp of what it shows.

const NativeWorker = window.Worker;
const VideoPicture = window.VideoFrame;
const messageData = describeProperty(MessageEvent.prototype, "data").get;
const { close: closePicture } = VideoPicture?.prototype ?? {};
const pictureTime = VideoPicture && describeProperty(VideoPicture.prototype, "timestamp").get;
const { checkVisibility } = Element.prototype;
const { createElement: makeElement } = Document.prototype;
const { getWriter } = WritableStream.prototype;
const { write: writePicture, releaseLock } = WritableStreamDefaultWriter.prototype;

let shapes = null; // what the plan has of each video, by its name
let streams = null; // the worker
let streamFailure = null;
let whenWritten = null; // called when the worker has written what it was told
let hasToggled = false; // whether a video has shown something first, or nothing, in this frame
let lastStamp = 0; // microseconds: a name of what was written, no time
let lastNumber = 0;
const strangers = own(new Set()); // names of videos that the plan does not have
let asks = false; // planning, which looks into the sources of strangers
const UNKNOWN = { width: 300, height: 150, duration: Number.NaN }; // of a stranger, which shows nothing

// Called once, while the page loads or when it has loaded.
async function prepareVideos({ shapes: known, worker, slots, asks: asksFor }) {
  shapes = known;
  asks = asksFor;
  const { file } = await openStreams(worker, slots);
  await loadVideos();
  return { __proto__: null, file };
}

// More of them, of which planning has learned.
function knowVideos(known) {
  Object.assign(shapes, known);
  for (const name of ownKeys(known)) strangers.delete(name);
  return loadVideos();
}

// The videos that planning has to look into, each with its source.
function unknownVideos() {
  if (!asks || !streams) return [];
  nameVideos();
  return allFeeds()
    .map(({ video }) => ({
      id: cut(videoId(video), MAX_NAME),
      element: cut(describe(video), MAX_NAME),
      url: sourceOf(video),
    }))
    .filter(({ id, url }) => url !== null && !hasOwn(shapes, id))
    .map((video) => ({ ...video, file: fileAt(video.url) }));
}

function serveVideos() {
  apply(native.postToWorker, streams, [{ serve: true }]);
}

function openStreams(source, slots) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  streams = new NativeWorker(url);
  URL.revokeObjectURL(url);
  return new taken.Promise((done, fail) => {
    const listener = entering((event) => {
      const answer = apply(messageData, event, []);
      if (answer?.opened) return done({ __proto__: null, ...answer.opened });
      if (answer?.written) return whenWritten();
      streamFailure = new Error(answer?.failed ?? "the worker of the page's videos ended");
      whenWritten?.();
      return fail(streamFailure);
    });
    for (const type of ["message", "error"]) apply(addListener, streams, [type, listener]);
    apply(native.postToWorker, streams, [{ open: slots }]);
  });
}

// Finds the videos, also those that are new, and gives each the state of its clip.
function aimVideos(states = null) {
  noteMovement(everything.takeRecords());
  for (const clock of childClocks()) clock.adoptDocuments();
  nameVideos();
  const known = [];
  for (const feed of allFeeds()) {
    const name = videoId(feed.video);
    if (!hasOwn(shapes, name)) {
      if (!asks && !strangers.has(name)) {
        console.warn(`${describe(feed.video)} was not there during planning: it stays empty`);
      }
      strangers.add(name);
    }
    const shape = (hasOwn(shapes, name) && shapes[name]) || UNKNOWN;
    if (feed.shape !== shape) feed.key = null; // which has another size
    feed.shape = shape;
    if (states) {
      feed.state = stateIn(states, name);
      feed.asked = null;
    }
    known.push(feed);
  }
  return known;
}

const stateIn = (states, name) => (hasOwn(states, name) ? states[name] : NOT_STARTED);

// What an element shows now.
function shownStamp({ video }) {
  try {
    const picture = new VideoPicture(video);
    const stamp = apply(pictureTime, picture, []);
    apply(closePicture, picture, []);
    return stamp;
  } catch {
    return null; // nothing yet
  }
}

const keyOf = ({ picture }) => picture?.number ?? 0;
const isShown = (feed) => feed.key === keyOf(feed.state) && feed.written.includes(shownStamp(feed));

const AGAIN = 20; // milliseconds after which a picture is written again: an element loses what comes before it has taken up its stream

// Writes what is not shown and waits for it. Returns whether anything was written.
async function feedVideos(feeds) {
  let waiting = ours(() => feeds.filter((feed) => !isShown(feed)));
  if (!waiting.length) return false;
  while (waiting.length) {
    await ours(() => writePictures(waiting));
    if (streamFailure) throw streamFailure;
    const since = native.now();
    while (waiting.length && native.now() - since < AGAIN) {
      waiting = ours(() => waiting.filter((feed) => !isShown(feed)));
      if (waiting.length) await reactions();
    }
  }
  return true;
}

function writePictures(feeds) {
  const transfer = [];
  const jobs = feeds.map((feed) => {
    const key = keyOf(feed.state);
    if (feed.key !== key) feed.written.length = 0;
    hasToggled ||= !feed.key !== !key;
    feed.key = key;
    feed.written.push(++lastStamp);
    const { width, height } = feed.shape;
    const job = { stream: feed.number, stamp: lastStamp, picture: feed.state.picture, size: { width, height } };
    if (!feed.number) {
      job.stream = feed.number = ++lastNumber;
      transfer.push(feed.writable);
      Object.assign(job, { writable: feed.writable });
      feed.writable = null;
    }
    startNatively(feed.video);
    return job;
  });
  return new taken.Promise((done) => {
    whenWritten = done;
    apply(native.postToWorker, streams, [{ write: jobs }, transfer]);
  });
}

// Videos have their size and their length from the load on, and show nothing.
async function loadVideos() {
  await feedVideos(ours(() => aimVideos()));
  ours(tellAllLoaded);
}

function tellAllLoaded() {
  for (const feed of allFeeds()) {
    if (feed.shape && feed.shape !== UNKNOWN && feed.key !== null && !feed.loaded)
      clockOf(feed.video).videos.tellLoaded(feed);
  }
}

// The page's load waits until a video has something to show.
function writeNothing({ writable }, timestamp = 0) {
  const planes = new Uint8Array([0, 0, 0, 0, 128, 128, 0, 0, 0, 0]);
  const shape = { codedWidth: 2, codedHeight: 2, displayWidth: 300, displayHeight: 150 }; // as a video without a size
  const writer = apply(getWriter, writable, []);
  const picture = new VideoPicture(planes, { format: "I420A", ...shape, timestamp });
  later(apply(writePicture, writer, [picture]), () => {});
  apply(releaseLock, writer, []);
}

const clockOf = ({ ownerDocument }) => ownerDocument.defaultView.__HF_VIRTUAL_TIME__;

function gateVideos() {
  for (const feed of allFeeds()) if (!feed.number && shownStamp(feed) === null) writeNothing(feed);
  if (streams && allFeeds().some((feed) => !feed.loaded && !strangers.has(videoId(feed.video)))) {
    gate("videos", loadVideos());
  }
}

const SEEN = { visibilityProperty: true, contentVisibilityAuto: true };
function placeSeen(element) {
  if (!apply(checkVisibility, element, [SEEN])) return null;
  const { x, y, width, height } = element.getBoundingClientRect();
  const frame = element.ownerDocument.defaultView?.frameElement;
  const around = frame ? placeSeen(frame) : "";
  return width > 0 && height > 0 && around !== null ? `${around} ${x},${y},${width},${height}` : null;
}

// Whether the next picture may show an old frame of a video. The compositor takes no frames of a video that it does not draw, as it
// is hidden, outside of the picture or behind something opaque, and the first picture after that has the last one that it took.
// So that can be where something moved. One more drawing tells the video that it is drawn, by a message that may come after the next
// picture. What is written after that drawing, to any video, comes after the message; once it is shown, the picture is right.
function mayBeLate(feeds, moved) {
  let late = false;
  for (const feed of feeds) {
    const place = placeSeen(feed.video);
    late ||= place !== null && (moved || place !== feed.place);
    feed.place = place;
  }
  return late;
}

// Called after the drawing. A video of the runtime's own is enough, since messages to all videos are handled in order.
let barrier = null;
async function passVideos() {
  barrier ??= ours(() => newFeed(apply(makeElement, document, ["video"])));
  while (!barrier.written.includes(shownStamp(barrier))) {
    ours(() => {
      barrier.written.push(++lastStamp);
      writeNothing(barrier, lastStamp);
    });
    const since = native.now();
    while (native.now() - since < AGAIN && !barrier.written.includes(shownStamp(barrier))) await reactions();
  }
  barrier.written.length = 0;
}

// A frame with the states of its videos: pictures come before scripts run, which may draw them. Videos that scripts bring get theirs after.
async function frameWithVideos([number, states]) {
  hasToggled = false;
  const first = ours(() => aimVideos(states));
  let wrote = await feedVideos(first);
  let answer = ours(() => frame(number));
  if (answer instanceof taken.Promise) answer = await answer;
  const feeds = ours(() => aimVideos());
  ours(() => {
    for (const feed of feeds) if (!first.includes(feed)) feed.state = stateIn(states, videoId(feed.video));
  });
  wrote = (await feedVideos(feeds)) || wrote;
  return ours(() => {
    tellAllLoaded();
    const { problems, changed, observed } =
      typeof answer === "object" ? answer : { problems: [], changed: answer, observed: false };
    const late = mayBeLate(feeds, changed || hasToggled);
    return { __proto__: null, problems, changed: changed || wrote || late, observed, late };
  });
}
