// What each part of the video can see, for planning: the entry document as written, taken apart into its clips, the
// templates that hosts mount and the rest; and the windows in which the files that hosts mount can be seen.

// They act on the whole page wherever they stand, so a clip never takes them out of it.
const GLOBAL = "style,script,link,meta,base";
// Attributes that the resolved windows replace.
const TIMES = ["data-start", "data-duration", "data-end", "data-composition-duration"];

function sight() {
  if (root && clipsAreStale) resolveClips();
  const written = parseHtml(readText(location.pathname + location.search) ?? "");
  const top = findRoot(written);
  dropSounds(written, top);
  for (const element of [written.documentElement, ...(top ? [top] : [])]) {
    element.removeAttribute("data-composition-variables"); // their values are reported separately
  }
  for (const name of TIMES) top?.removeAttribute(name);
  const units = [...takeClips(written, top), ...takeTemplates(written)];
  const files = windowsBy((mounted) => mounted.template === null && mounted.file);
  return {
    rest: textOf(written.documentElement),
    units,
    files,
    texts: textsWithoutSounds(Object.keys(files)),
    everywhere: [...hoisted].map((url) => fileAt(url)).filter((file) => file !== null),
    variables: variables(),
    sounds_read: namedFeeds("audio")
      .filter(({ isRead }) => isRead)
      .map(({ video }) => JSON.stringify([mediaId(video), durations.get(mediaId(video)), playsIn(video)])),
  };
}

// Sounds are heard, and seen in no frame. So are the attributes that change the sound alone, if no script and no style of the document
// names them.
const OF_SOUND = [
  ...["data-volume", "data-fade-in", "data-fade-out", "data-audio-group", "data-hf-group-render-id"],
  ...["data-fx-chain", "data-fx-carve", "data-has-audio", "data-automation"],
];
function dropSounds(written, top = null) {
  for (const sound of inTemplates(written, `audio,${GROUP}:empty`)) {
    if (isBlank(sound.nextSibling)) sound.nextSibling.remove();
    sound.remove();
  }
  startBareMedia(written);
  const code = inTemplates(written, "script,style")
    .map((element) => element.textContent)
    .join("\n");
  for (const element of [...inTemplates(written, `video,${GROUP}`), ...(top ? [top] : [])]) {
    for (const name of OF_SOUND) if (!isNamed(code, name)) element.removeAttribute(name);
  }
}

// Return the matching elements of a document, also those in its templates.
function inTemplates(node, selector) {
  const inner = [...node.querySelectorAll("template")].flatMap(({ content }) => inTemplates(content, selector));
  return [...node.querySelectorAll(selector), ...inner];
}

// Return the texts of mounted files with media, without their sounds.
function textsWithoutSounds(files) {
  const texts = {};
  for (const file of files) {
    const written = parseHtml(textOfFile(file) ?? "");
    if (!inTemplates(written, `${MEDIA},${GROUP}`).length) continue;
    dropSounds(written);
    texts[file] = textOf(written.documentElement);
  }
  return texts;
}

// Return true if code names an attribute, perhaps as a property of `dataset`.
function isNamed(code, attribute) {
  const name = attribute.slice("data-".length);
  return code.includes(name) || code.includes(name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()));
}

// A clip that scripts have moved, made or removed has no owner: then the document stays in one piece.
function takeClips(written, top) {
  const authored = [...written.querySelectorAll("[data-start]")].filter(
    (element) => element !== top && !element.matches(NOT_VISUAL) && element.style,
  );
  const live = clips.filter(({ element }) => element !== root && !isMounted(element) && !isSound(element));
  const name = (element) => [element.localName, element.id].join("#");
  if (authored.length !== live.length || authored.some((each, k) => name(each) !== name(live[k].element))) return [];
  const taken = new Set(authored);
  const places = authored.map((element) => placeOf(element, taken));
  const units = authored.map((element, k) => ({ element, place: places[k], windows: [windowOfClip(live[k])] }));
  for (const { element } of units.toReversed()) {
    written.documentElement.append(...element.querySelectorAll(GLOBAL));
    const parent = element.parentNode;
    element.remove();
    for (const node of [...parent.childNodes]) if (isBlank(node)) node.remove();
  }
  return units.map(({ element, place, windows }) => {
    for (const attribute of TIMES) element.removeAttribute(attribute);
    return { text: textOf(element), place, windows };
  });
}

function takeTemplates(written) {
  const windows = windowsBy((mounted) => mounted.template);
  return Object.keys(windows).flatMap((id) => {
    const template = written.getElementById(id);
    template?.remove();
    return template ? [{ text: textOf(template), place: "", windows: windows[id] }] : [];
  });
}

function isMounted(element) {
  return mounts.some(({ host }) => host !== element && host.contains(element));
}

// Returns the position of an element among the remaining elements, because a clip before it may come and go.
function placeOf(element, taken) {
  const steps = [];
  for (let at = element; at.parentElement; at = at.parentElement) {
    const before = [...at.parentElement.children].indexOf(at);
    const fixed = [...at.parentElement.children].slice(0, before).filter((each) => !taken.has(each)).length;
    steps.unshift(`${at.localName}${at.id ? `#${at.id}` : ""}:${fixed}`);
  }
  return steps.join(">");
}

function windowOfClip(clip) {
  return [clip.start, Number.isFinite(clip.end) ? clip.end : null];
}

// Of what is mounted, by a name of it: the windows of all its hosts; one without clips above it can always be seen.
function windowsBy(name) {
  const windows = {};
  for (const mounted of mounts) {
    const key = name(mounted);
    if (!key) continue;
    const element = mounted.host.closest("[data-start]");
    const clip = clips.find((each) => each.element === element);
    windows[key] ??= [];
    windows[key].push(clip && element !== root ? windowOfClip(clip) : [0, null]);
  }
  return windows;
}

function textOf(element) {
  const comments = document.createTreeWalker(element, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (comments.nextNode()) found.push(comments.currentNode);
  for (const comment of found) comment.remove();
  element.normalize();
  return element.outerHTML;
}

function isBlank(node) {
  return node?.nodeType === Node.TEXT_NODE && node.data.trim() === "";
}
