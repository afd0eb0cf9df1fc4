// Give videos names for the plan. An id is unique in one file, but not in a page of several files (docs/compositions.md, 9.2).

// Return every video of the page in document order, also the videos in shadow trees and in frames.
function allVideos() {
  const [, ...inner] = allDocuments();
  return [...allMatching("video"), ...inner.flatMap((document) => [...document.querySelectorAll("video")])];
}

const videoIds = own(new WeakMap());
const takenNames = own(new Set());
let unnamed = 0;

function nameVideos() {
  for (const video of allVideos()) videoId(video);
}

function videoId(video) {
  if (videoIds.has(video)) return videoIds.get(video);
  const wanted = video.id || `hf-video-${unnamed++}`;
  let name = video.getAttribute("data-hf-render-id") || wanted; // a copy of another video has the same attribute
  for (let n = 2; takenNames.has(name); n++) name = `${wanted}__hf${n}`;
  takenNames.add(name);
  videoIds.set(video, name);
  video.setAttribute("data-hf-render-id", name);
  return name;
}
