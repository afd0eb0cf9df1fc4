// Give videos and sounds names for the plan. An id is unique in one file, but not in a page of several files (docs/compositions.md, 9.2).
//
// Names must not depend on how fast files arrive. So the media of the document get theirs in document order when it has been read,
// media of frames when everything has loaded, and media that scripts add later in the order of their addition.

// Return every element with a tag in document order, also those in shadow trees and in frames.
function allMedia(tag) {
  return [...allMatching(tag), ...inFrames(tag)];
}

function inFrames(tag) {
  const [, ...inner] = allDocuments();
  return inner.flatMap((document) => [...document.querySelectorAll(tag)]);
}

const mediaIds = own(new WeakMap());
const takenNames = own(new Set());
const unnamed = own(new Map()); // how many elements have a name with this beginning

function nameMedia() {
  if (!prepared) return;
  for (const medium of allMatching(MEDIA)) mediaId(medium);
  if (document.readyState === "complete") for (const medium of inFrames(MEDIA)) mediaId(medium);
}

// Return the feeds of the elements with a tag that have a name.
function namedFeeds(tag) {
  nameMedia();
  return allFeeds(tag).filter(({ video }) => mediaIds.has(video));
}

function mediaId(medium) {
  if (mediaIds.has(medium)) return mediaIds.get(medium);
  const wanted = isPlain(medium.id) ? medium.id : numberedName(medium);
  const stamped = medium.getAttribute("data-hf-render-id") ?? ""; // a copy of another medium has the same attribute
  let name = isPlain(stamped) ? stamped : wanted;
  for (let n = 2; takenNames.has(name); n++) name = `${wanted}__hf${n}`;
  takenNames.add(name);
  mediaIds.set(medium, name);
  medium.setAttribute("data-hf-render-id", name);
  return name;
}

// The host returns names as it has received them, and what it receives is cut and made legible.
const LONGEST_NAME = 300; // with room for a suffix
const isPlain = (name) => name !== "" && name.length <= LONGEST_NAME && !/\p{C}/u.test(name);

function numberedName(medium) {
  const beginning = `hf-${medium.ownerDocument === document ? "" : "frame-"}${medium.localName}`;
  const number = unnamed.get(beginning) ?? 0;
  unnamed.set(beginning, number + 1);
  return `${beginning}-${number}`;
}
