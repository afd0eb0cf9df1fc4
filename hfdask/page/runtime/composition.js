// The root composition, its box, the layout of its clips, and which clips show at a time (docs/compositions.md, 1 and 2).

const WINDOWED = "[data-start],[data-composition-id],video,audio,source";
const SOURCED = "video,audio,source";
const NOT_VISUAL = "script,style,link,meta";
let root = null;
let clips = []; // in document order, so that an ancestor comes before its descendants
let clipsAreStale = true;

function findRoot(page = document) {
  const all = [...page.querySelectorAll(COMPOSITION)];
  return (
    all.find((element) => element.getAttribute("data-root") === "true") ??
    all.find((element) => !element.parentElement?.closest(COMPOSITION)) ??
    all[0] ??
    null
  );
}

function pixels(element, name, fallback) {
  const value = parseFloat(element.getAttribute(name));
  return Number.isFinite(value) && value > 0 ? value : fallback;
}

function prepareRoot() {
  root = findRoot();
  if (!root) return;
  if (!root.hasAttribute("data-start")) root.setAttribute("data-start", "0");
  const [width, height] = [pixels(root, "data-width", null), pixels(root, "data-height", null)];
  for (const [name, value] of [
    ["width", width],
    ["height", height],
  ]) {
    if (value === null) continue;
    root.style.setProperty(name, `${value}px`);
    root.style.setProperty(`--comp-${name}`, `${value}px`);
  }
  root.style.overflow = "hidden";
  if (!root.style.position) root.style.position = "relative";
  for (const element of [document.documentElement, document.body]) {
    Object.assign(element.style, { margin: "0", padding: "0", overflow: "hidden" });
  }
  placeCompositions();
}

function placeCompositions() {
  for (const element of document.querySelectorAll(COMPOSITION)) {
    if (element !== root) stashAuthoredTiming(element);
  }
  startBareMedia(document);
  unstyled = sheetsAreLoading();
  if (!unstyled) layOut([...root.children]);
  clipsAreStale = true;
}

// A child composition's authored window still bounds it, but must not fix the length of what plays inside.
function stashAuthoredTiming(element) {
  for (const name of ["duration", "end"]) {
    const value = element.getAttribute(`data-${name}`);
    if (value === null) continue;
    if (!element.hasAttribute(`data-hf-authored-${name}`)) element.setAttribute(`data-hf-authored-${name}`, value);
    element.removeAttribute(`data-${name}`);
  }
}

// In steps for all children together, each of which first asks and then writes: a question after a write has the browser
// lay the page out anew.
function layOut(elements) {
  const laidOut = elements.filter(isLaidOut);
  for (const element of laidOut) dropRedundantCentring(element);
  write(laidOut, (element) => {
    const { position } = getComputedStyle(element);
    return position === "absolute" || position === "fixed" ? {} : { position: "absolute" };
  });
  write(laidOut, (element) => {
    const free = ([near, far]) =>
      !element.style[near] && !element.style[far] && authored(element, near) && authored(element, far);
    return Object.fromEntries(
      [
        ["top", "bottom"],
        ["left", "right"],
      ]
        .filter(free)
        .map(([near]) => [near, "0"]),
    );
  });
  for (const element of laidOut.filter(isLoading)) unsized.add(element);
  setSizes(laidOut.filter((element) => element.localName !== "audio" && !unsized.has(element)));
}

function setSizes(elements) {
  for (const name of ["width", "height"]) write(elements, (element) => sizeToSet(element, name));
}

// A picture has no size until it has loaded, which must not decide how large its clip is.
const unsized = new Set();
function isLoading(element) {
  const images = element.localName === "img" ? [element] : [...element.querySelectorAll("img")];
  return images.some((image) => !image.complete);
}

// A style sheet that no script waits for may come after the document. What clips look like without it must not decide their layout.
let unstyled = false;
function sheetsAreLoading() {
  return document.readyState !== "complete" && [...document.getElementsByTagName("link")].some(sheetIsComing);
}

// Lays out the clips whose style sheets were missing, and sizes those whose pictures were.
function layOutLoaded() {
  if (!root || !(unstyled || unsized.size)) return;
  withoutTransitions(() => {
    if (unstyled) layOut([...root.children]);
    unstyled = false;
    setSizes([...unsized].filter((element) => element.parentElement === root));
    unsized.clear();
  });
}

function isLaidOut(element) {
  if (!element.hasAttribute("data-start") || element.matches(NOT_VISUAL)) return false;
  return !element.hasAttribute("data-hf-autostamped") && Boolean(element.style);
}

function write(elements, stylesOf) {
  const styles = elements.map(stylesOf);
  for (const [i, element] of elements.entries()) Object.assign(element.style, styles[i]);
}

function sizeToSet(element, name) {
  if (element.style[name]) return {};
  const size = getComputedStyle(element)[name];
  const wanted = pixels(element, `data-${name}`, null);
  const isFree = size === "auto" || size === "0px" || (element.localName === "img" && authored(element, name));
  if (wanted !== null) return isFree ? { [name]: `${wanted}px` } : {};
  return size === "0px" ? { [name]: "100%" } : {};
}

// getComputedStyle resolves insets of positioned boxes, and sizes of pictures, to pixels; the computed style map keeps `auto`.
function authored(element, name) {
  return String(element.computedStyleMap().get(name)) === "auto";
}

function dropRedundantCentring(element) {
  const style = element.style;
  const filled = style.top === "0px" && style.left === "0px" && style.width === "100%" && style.height === "100%";
  if (!filled || element.hasAttribute("data-width") || element.hasAttribute("data-height")) return;
  if (!/translate\(\s*-50%\s*,\s*-50%\s*\)/.test(style.transform)) return;
  const kept = style.cssText;
  for (const name of ["top", "left", "width", "height"]) style.removeProperty(name);
  const computed = element.computedStyleMap();
  const styled = ["top", "left"].some((name) => String(computed.get(name)) !== "auto");
  if (!styled) style.cssText = kept;
}

const clipObserver = new MutationObserver(entering(noteChanges));
clipObserver.observe(document, {
  subtree: true,
  childList: true,
  attributeFilter: [
    ...["data-start", "data-duration", "data-end", "data-hidden", "data-composition-id"],
    ...["data-playback-rate", "data-playback-start", "data-media-start", "data-automation"],
    ...["data-hf-media-start-basis", "src"],
  ],
});

function noteChanges(records) {
  for (const record of records) {
    // Of all that has a source, only media last as long as it.
    if (record.type === "attributes" && (record.attributeName !== "src" || record.target.matches(SOURCED))) {
      clipsAreStale = true;
    }
    for (const node of [...record.addedNodes, ...record.removedNodes]) {
      if (node.nodeType === 1 && (node.matches(WINDOWED) || node.querySelector(WINDOWED))) {
        clipsAreStale = true;
      }
    }
  }
}

function resolveClips() {
  startBareMedia(document);
  nameMedia();
  windowsOfChildren.clear();
  knownStarts.clear();
  forgetSounds();
  clipsAreStale = false;
  const byElement = new Map();
  clips = [];
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-start]"))) {
    if (element.matches(NOT_VISUAL) || !element.style) continue;
    const { start, end } = windowOf(element);
    const above = element.parentElement?.closest("[data-start]") ?? null;
    const isBare = element.hasAttribute(AUTO_START); // its author has not made it a clip
    const clip = {
      element,
      start: onGrid(start),
      end: onGrid(end),
      parent: above && above !== root ? (byElement.get(above) ?? null) : null,
      isBare,
      inFlow: element !== root && !isBare && isInFlowLeaf(element),
      visible: null,
    };
    byElement.set(element, clip);
    clips.push(clip);
  }
}

function windowOf(element) {
  if (element.matches(MEDIA)) return mediaTimes(element);
  const start = resolveStart(element);
  const duration = element === root ? rootDuration().seconds : resolveDuration(element, start);
  return { start, end: duration > 0 ? start + duration : Infinity };
}

function isInFlowLeaf(element) {
  const position = getComputedStyle(element).position;
  return ["static", "relative", "sticky"].includes(position) && !element.querySelector("[data-start]");
}

// Half-open windows. CSS lets a visible child show through a hidden parent, so a clip asks all clips above it.
function showClips(time) {
  if (clipsAreStale) resolveClips();
  for (const clip of clips) {
    clip.visible = time >= clip.start && time < clip.end && (clip.parent?.visible ?? true);
  }
  const turning = clips.filter(mustTurn);
  if (turning.length) withoutTransitions(() => turning.forEach(turnClip));
  for (const clip of clips) showBox(clip, clip.element.style);
}

// A video without a start keeps the author's visibility while the windows around it are open.
const visibilityBefore = new WeakMap();

function mustTurn({ element, visible, isBare }) {
  const { visibility } = element.style;
  if (!isBare) return visibility !== (visible ? "visible" : "hidden");
  return visible ? visibilityBefore.has(element) : visibility !== "hidden" || !visibilityBefore.has(element);
}

function turnClip({ element, visible, isBare }) {
  const { style } = element;
  if (!isBare) style.visibility = visible ? "visible" : "hidden";
  else if (visible) {
    style.visibility = visibilityBefore.get(element);
    visibilityBefore.delete(element);
  } else {
    visibilityBefore.set(element, style.visibility);
    style.visibility = "hidden";
  }
}

// The inline display of elements under `data-hidden`; clips are resolved anew too often to remember it.
const displayBefore = new WeakMap();

function showBox(clip, style) {
  const element = clip.element;
  if (element.hasAttribute("data-hidden")) {
    if (!displayBefore.has(element)) displayBefore.set(element, style.display);
    if (style.display !== "none") style.display = "none";
    return;
  }
  if (displayBefore.has(element)) {
    style.display = displayBefore.get(element);
    displayBefore.delete(element);
  }
  if (!clip.inFlow) return;
  if (!clip.visible) {
    if (style.display !== "none") style.display = "none";
  } else if (style.display) style.removeProperty("display");
}
