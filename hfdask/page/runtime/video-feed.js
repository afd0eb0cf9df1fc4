// Hand pictures from the host to the videos of all documents, and wait until they are shown (docs/compositions.md, 9.6).
//
// The host puts a picture into a slot of a file. A worker reads the picture and writes it to the element's stream. At this point
// the element may still show an older picture. A `VideoFrame` that is made of the element has the time stamp of the picture that
// the element shows.

const NativeWorker = window.Worker;
const VideoPicture = window.VideoFrame;
const messageData = describeProperty(MessageEvent.prototype, "data").get;
const { close: closePicture } = VideoPicture?.prototype ?? {};
const pictureTime = VideoPicture && describeProperty(VideoPicture.prototype, "timestamp").get;
const { checkVisibility } = Element.prototype;
const { createElement: makeElement } = Document.prototype;
const { getWriter } = WritableStream.prototype;
const { write: writePicture, releaseLock } = WritableStreamDefaultWriter.prototype;

let shapes = null; // the shape of each video of the plan, by its name
let streams = null; // the worker
let streamFailure = null;
const whenWritten = own([]); // called when the worker has written the pictures of a message, in the order of the messages
let hasToggled = false; // true if a video begins to show pictures, or stops, in this frame
let lastStamp = 0; // time stamp of the last picture, in microseconds; it is only a number of the picture
let lastNumber = 0;
const strangers = own(new Set()); // names of videos that the plan does not have, or whose source cannot be used
let asks = false; // true while planning, which probes the sources of strangers
const UNKNOWN = { width: 300, height: 150, duration: Number.NaN }; // shape of a stranger, which shows nothing

// Open the worker and load the videos. The host calls this once, while the page loads or after it has loaded.
async function prepareVideos({ shapes: known, worker, slots, asks: asksFor }) {
  shapes = known;
  asks = asksFor;
  const { file } = await openStreams(worker, slots);
  await loadVideos();
  return { __proto__: null, file };
}

// Add the shapes of videos that planning has probed since.
function knowVideos(known) {
  Object.assign(shapes, known);
  for (const name of ownKeys(known)) {
    if (known[name]) strangers.delete(name);
    else strangers.add(name); // the load does not wait for it
  }
  return loadVideos();
}

// Return the videos that planning has to probe, each with its source.
function unknownVideos() {
  if (shapes && !asks) return [];
  return namedFeeds("video")
    .map(({ video }) => ({
      id: cut(mediaId(video), MAX_NAME),
      element: cut(describe(video), MAX_NAME),
      url: sourceOf(video) ?? "",
    }))
    .filter(({ id }) => !(shapes && hasOwn(shapes, id)))
    .map((video) => ({ ...video, file: video.url ? fileAt(video.url) : null }));
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
      if (answer?.written) return whenWritten.shift()();
      streamFailure = new Error(answer?.failed ?? "the worker of the page's videos ended");
      for (const done of whenWritten.splice(0)) done();
      return fail(streamFailure);
    });
    for (const type of ["message", "error"]) apply(addListener, streams, [type, listener]);
    apply(native.postToWorker, streams, [{ open: slots }]);
  });
}

// Find all videos, including new ones, and give each the state of its clip.
function aimVideos(states = null) {
  noteMovement(everything.takeRecords());
  for (const clock of childClocks()) clock.adoptDocuments();
  const known = [];
  for (const feed of namedFeeds("video")) {
    const name = mediaId(feed.video);
    if (!hasOwn(shapes, name)) {
      if (!asks && !strangers.has(name) && !hasOwn(config.durations, name)) {
        console.warn(`${describe(feed.video)} was not there during planning: it stays empty`);
      }
      strangers.add(name);
    }
    const shape = (hasOwn(shapes, name) && shapes[name]) || UNKNOWN;
    if (feed.shape !== shape) feed.key = null; // the transparent picture must be written again, in the new size
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

// Return the time stamp of the picture that an element shows now.
function shownStamp({ video }) {
  try {
    const picture = new VideoPicture(video);
    const stamp = apply(pictureTime, picture, []);
    apply(closePicture, picture, []);
    return stamp;
  } catch {
    return null; // it shows no picture yet
  }
}

const keyOf = ({ picture }) => picture?.number ?? 0;

// An element takes the size of a picture some time after it shows the picture. It then fires an event.
const RESIZE = 200; // milliseconds
function isShown(feed) {
  const { key, state, written, resizeBy } = feed;
  return key === keyOf(state) && native.now() >= resizeBy && written.includes(shownStamp(feed));
}

function sizeOf({ shape, state: { picture } }) {
  if (!picture) return shape;
  const { displayWidth, displayHeight, rotation = 0 } = picture.options;
  const isTurned = rotation % 180 !== 0;
  return isTurned ? { width: displayHeight, height: displayWidth } : { width: displayWidth, height: displayHeight };
}

let barrier = null; // a video of the runtime, which is not in the page

// An element loses pictures that are written before it has taken up its stream. So a picture that does not show is written again.
const AGAIN = 20; // milliseconds

// Write all pictures that are not shown yet, and wait until they are. Return true if anything was written.
async function feedVideos(feeds) {
  let waiting = ours(() => feeds.filter((feed) => !isShown(feed)));
  if (!waiting.length) return false;
  while (waiting.length) {
    if (config.hosted) waiting = ours(() => withBarrier(waiting));
    await ours(() => writePictures(waiting));
    if (streamFailure) throw streamFailure;
    const since = native.now();
    while (waiting.length && native.now() - since < AGAIN) {
      waiting = ours(() => waiting.filter((feed) => !isShown(feed)));
      if (waiting.length) await reactions();
    }
  }
  if (config.hosted) await reactions();
  return true;
}

// A hosted page records a video as it was when the browser last recorded the video. The thread that brings a new picture to the element
// then asks the main thread to record the video again. The page may see the new picture before that. So a tiny picture is written
// last, to a video of the runtime. It is handled by the same thread. When it is shown, the main thread has been asked for all others, and
// has done so after one more task.
function withBarrier(feeds) {
  barrier ??= newFeed(apply(makeElement, document, ["video"]));
  barrier.shape = UNKNOWN;
  barrier.key = null; // its picture must be written again
  return [...feeds.filter((feed) => feed !== barrier), barrier];
}

function writePictures(feeds) {
  const transfer = [];
  const jobs = feeds.map((feed) => {
    const key = keyOf(feed.state);
    if (feed.key !== key) feed.written.length = 0;
    hasToggled ||= !feed.key !== !key;
    feed.key = key;
    const size = sizeOf(feed);
    if (feed.size && (feed.size.width !== size.width || feed.size.height !== size.height)) {
      feed.resizeBy = native.now() + RESIZE;
    }
    feed.size = size;
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
    whenWritten.push(done);
    apply(native.postToWorker, streams, [{ write: jobs }, transfer]);
  });
}

// Give videos their size and length while the page loads. They show nothing yet.
async function loadVideos() {
  await feedVideos(ours(() => aimVideos()));
  ours(tellAllLoaded);
}

function tellAllLoaded() {
  for (const feed of allFeeds("video")) {
    if (feed.shape && feed.shape !== UNKNOWN && feed.key !== null && !feed.loaded)
      clockOf(feed.video).videos.tellLoaded(feed);
  }
}

// Write a transparent picture to a video, because the load of the page waits until each video has a picture.
function writeNothing(feed, timestamp = 0) {
  feed.size = { width: 300, height: 150 }; // the default size of a video
  const planes = new Uint8Array([0, 0, 0, 0, 128, 128, 0, 0, 0, 0]);
  const shape = { codedWidth: 2, codedHeight: 2, displayWidth: feed.size.width, displayHeight: feed.size.height };
  const writer = apply(getWriter, feed.writable, []);
  const picture = new VideoPicture(planes, { format: "I420A", ...shape, timestamp });
  later(apply(writePicture, writer, [picture]), () => {});
  apply(releaseLock, writer, []);
}

const clockOf = ({ ownerDocument }) => ownerDocument.defaultView.__HF_VIRTUAL_TIME__;

let looks = 0; // of the host at the prepared page; at the first one it may find videos, and send their shapes
function gateVideos() {
  if (prepared && looks++) {
    for (const feed of allFeeds("video")) if (!feed.number && shownStamp(feed) === null) writeNothing(feed);
  }
  if (!streams || streamFailure) return;
  if (namedFeeds("video").some((feed) => !feed.loaded && !strangers.has(mediaId(feed.video)))) {
    gate("videos", loadVideos);
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

// Return true if the next picture may show an old frame of a video. The compositor does not take frames of a video that it does not draw.
// This is so if the video is hidden, outside of the picture, or behind something opaque. When the video is drawn again, the first picture
// has the last frame that the compositor took. The page cannot see whether a video is drawn. So any movement in the page counts, if the
// video is in sight. Then more drawings are needed before the picture:
//
// 1. A drawing sends the video a message that it is drawn. The message may arrive after the drawing.
// 2. A picture that is written after the drawing, to any video, is handled after the message (`passVideos`). When it is shown, the video
//    has asked the display for the start of each frame.
// 3. This process sends the result of another drawing after that request, so the display handles the request first. From then on, it waits
//    for the video in each frame.
function mayBeLate(feeds, moved) {
  let late = false;
  for (const feed of feeds) {
    const place = placeSeen(feed.video);
    late ||= place !== null && (moved || place !== feed.place);
    feed.place = place;
  }
  return late;
}

// Wait until videos have handled the messages of a drawing. One video of the runtime is enough: messages to all videos come in order.
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

// Show a frame with the states of its videos. Pictures are written before scripts run, because scripts may draw them. Videos that
// scripts add get their pictures afterwards.
async function frameWithVideos([number, states]) {
  hasToggled = false;
  const first = ours(() => aimVideos(states));
  let wrote = await feedVideos(first);
  const answer = await ours(() => frame(number));
  const feeds = ours(() => aimVideos());
  ours(() => {
    for (const feed of feeds) if (!first.includes(feed)) feed.state = stateIn(states, mediaId(feed.video));
  });
  wrote = (await feedVideos(feeds)) || wrote;
  return ours(() => {
    tellAllLoaded();
    const { problems, changed, observed } =
      typeof answer === "object" ? answer : { problems: [], changed: answer, observed: false };
    const late = mayBeLate(feeds, changed || hasToggled);
    return { __proto__: null, problems, changed: changed || wrote || late, observed, late: late && !config.hosted };
  });
}
