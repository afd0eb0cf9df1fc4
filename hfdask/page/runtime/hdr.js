// Videos in HDR (docs/decisions/hdr-output.md). The page shows a black or a white picture in the place of each. The host composes their own
// pixels with the page's pictures, and asks for their places.

// Show other pictures of videos at the frame that was sought last. No script runs. Return true if the page must be drawn before its picture.
async function showVideos(states) {
  const feeds = ours(() => aimVideos(states));
  await feedVideos(feeds);
  return ours(() => mayBeLate(feeds, false));
}

const feedNamed = (name) => namedFeeds("video").find(({ video }) => mediaId(video) === name);
const videoNamed = (name) => feedNamed(name)?.video ?? null;

// Return the edges of a video's picture as fractions of its content box: left, top, right, bottom. They are null if it has no box. The
// browser moves the edges to whole pixels (`snaps`) if nothing transforms the video.
function pictureBox(name) {
  const feed = feedNamed(name);
  return { __proto__: null, edges: edgesOf(feed), snaps: Boolean(feed) && !isTransformed(feed.video) };
}

const TRANSFORMS = ["transform", "translate", "rotate", "scale", "offsetPath", "perspective"];
function isTransformed(video) {
  for (let element = video; element; element = aboveOf(element)) {
    const style = element.ownerDocument.defaultView.getComputedStyle(element);
    if (TRANSFORMS.some((property) => (style[property] || "none") !== "none")) return true;
  }
  return false;
}

function edgesOf(feed) {
  if (!feed) return null;
  const { video, shape } = feed;
  const style = video.ownerDocument.defaultView.getComputedStyle(video);
  const { width, height } = contentSize(style);
  if (!(width > 0 && height > 0)) return null;
  const scale = {
    contain: Math.min(width / shape.width, height / shape.height),
    cover: Math.max(width / shape.width, height / shape.height),
    none: 1,
  };
  scale["scale-down"] = Math.min(1, scale.contain);
  const fit = scale[style.objectFit];
  if (fit === undefined) return [0, 0, 1, 1];
  const [across, down] = positionOf(style.objectPosition);
  const left = placeOn(across, width - shape.width * fit) / width;
  const top = placeOn(down, height - shape.height * fit) / height;
  return [left, top, left + (shape.width * fit) / width, top + (shape.height * fit) / height];
}

// Split a computed position at the space outside of parentheses.
const positionOf = (text) => text.match(/(?:[^\s(]|\([^)]*\))+/g) ?? ["50%", "50%"];

// Return the pixels that a computed length or percentage of a room stands for: "50%", "10px" or "calc(100% - 10px)".
function placeOn(text, room) {
  let sum = 0;
  for (const [, sign, number, unit] of text.matchAll(/([+-]?)\s*([\d.]+(?:e[+-]?\d+)?)(px|%)/g)) {
    const length = Number(number) * (unit === "%" ? room / 100 : 1);
    sum += sign === "-" ? -length : length;
  }
  return sum;
}

// What blends with a picture pixel by pixel and channel by channel, in proportion, is composed exactly.
const PROPORTIONAL = ["normal", "multiply", "screen", "plus-lighter"];
const HARMLESS = /^(?:none|(?:(?:opacity|drop-shadow)\((?:[^()]|\([^()]*\))*\)\s*)+)$/;

// Return a sentence for each kind of content that would look different in HDR.
function unlikeHdr() {
  const found = new Set();
  const natives = namedFeeds("video").filter((feed) => isHdr(feed) && placeSeen(feed.video) !== null);
  if (natives.length) {
    for (const { video } of natives) noteAround(video, found);
    for (const page of allDocuments()) {
      if (showsViewTransition(page)) found.add("a view transition");
      for (const element of elementsIn(page)) noteUnlike(element, found);
    }
  }
  return [...found].map((what) => cut(what, MAX_NAME)).sort();
}

function noteAround(video, found) {
  for (let element = video; element; element = aboveOf(element)) {
    const style = element.ownerDocument.defaultView.getComputedStyle(element);
    if (!HARMLESS.test(style.filter)) found.add(`the filter of ${describe(element)}`);
    for (const property of ["object-view-box", "-webkit-box-reflect"]) {
      if (!["", "none"].includes(style.getPropertyValue(property)))
        found.add(`the ${property} of ${describe(element)}`);
    }
  }
}

function noteUnlike(element, found) {
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  const isUnlike =
    !PROPORTIONAL.includes(style.mixBlendMode) || (style.backdropFilter && style.backdropFilter !== "none");
  if (isUnlike && placeSeen(element) !== null) {
    const property = PROPORTIONAL.includes(style.mixBlendMode) ? "backdrop-filter" : "mix-blend-mode";
    found.add(`the ${property} of ${describe(element)}`);
  }
}

// Return the element around an element, also around a shadow tree or the document in a frame.
const aboveOf = (element) =>
  element.parentElement ?? element.getRootNode().host ?? element.ownerDocument.defaultView?.frameElement ?? null;

// `VideoFrame` reads a video, too. It is guarded here, because the runtime itself uses it.
if (config.hdr && VideoPicture) {
  window.VideoFrame = new Proxy(VideoPicture, {
    construct(target, values, kind) {
      ours(() => requireReadable(values));
      return Reflect.construct(target, values, kind);
    },
  });
}
