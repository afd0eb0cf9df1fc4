// Give videos names for the plan. An id is unique in one file, but not in a page of several files (docs/compositions.md, 9.2).
//
// Names must not depend on how fast files arrive. So the videos of the document get theirs in document order when it has been read,
// videos of frames when everything has loaded, and videos that scripts add later in the order of their addition.

// Return every video of the page in document order, also the videos in shadow trees and in frames.
function allVideos() {
  return [...allMatching("video"), ...videosInFrames()];
}

function videosInFrames() {
  const [, ...inner] = allDocuments();
  return inner.flatMap((document) => [...document.querySelectorAll("video")]);
}

const videoIds = own(new WeakMap());
const takenNames = own(new Set());
const unnamed = { page: 0, frame: 0 };

function nameVideos() {
  if (!prepared) return;
  for (const video of allMatching("video")) videoId(video);
  if (document.readyState === "complete") for (const video of videosInFrames()) videoId(video);
}

// Return the feeds of the videos that have a name.
function namedFeeds() {
  nameVideos();
  return allFeeds().filter(({ video }) => videoIds.has(video));
}

function videoId(video) {
  if (videoIds.has(video)) return videoIds.get(video);
  const wanted =
    video.id || (video.ownerDocument === document ? `hf-video-${unnamed.page++}` : `hf-frame-video-${unnamed.frame++}`);
  let name = video.getAttribute("data-hf-render-id") || wanted; // a copy of another video has the same attribute
  for (let n = 2; takenNames.has(name); n++) name = `${wanted}__hf${n}`;
  takenNames.add(name);
  videoIds.set(video, name);
  video.setAttribute("data-hf-render-id", name);
  return name;
}
