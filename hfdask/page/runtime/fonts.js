// Planning's look at text: which elements show what, in which fonts. Runs beside the player while a page is planned,
// in every frame of it, and never while it is rendered. The player reports if there may be something new (`changed`).
const WORD = /\s+/u;
const ASCII = /^[\x20-\x7e]*$/;
const FACE = ["font-family", "font-weight", "font-style", "font-stretch", "font-variant-caps", "text-transform"];
const FIELDS = new Set(["iframe", "input", "textarea"]);
const UNSEEN = new Set(["head", "link", "meta", "script", "style", "template", "title"]);
const closedRoots = own(new WeakMap());
const canvasText = own(new Map()); // a canvas's `font` -> letters and words drawn in it
const known = new Map(); // face -> letters and words that were handed out already
const clusters = new Map(); // face -> what of it was asked for glyphs already
const lines = new Map(); // face of a box that lines of text are set in -> an element of it

wrap(Element.prototype, "attachShadow", (element, result) => {
  closedRoots.set(element, result);
  touched = true;
});
const { fillText } = OffscreenCanvasRenderingContext2D.prototype;
for (const type of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
  for (const name of ["fillText", "strokeText", "measureText"]) {
    wrap(type.prototype, name, (context, _result, text) => {
      addWords(canvasText, context.font, String(text), context.canvas);
    });
  }
}

// Properties, and attributes of drawings, that change neither text, nor its font, nor whether it has a box. They are animated most.
// GSAP notes the origin of a drawing's turns in `data-svg-origin`.
const PAINTED = `background background-color background-position border-radius bottom box-shadow clip-path color cx cy
  d data-svg-origin fill fill-opacity filter font-size height inset left letter-spacing line-height margin max-height
  max-width offset-distance opacity perspective pointer-events points r right rotate rx ry scale stroke
  stroke-dasharray stroke-dashoffset stroke-opacity stroke-width text-shadow top transform transform-origin translate
  viewBox visibility width will-change x x1 x2 y y1 y2 z-index`.split(/\s+/);
const PAINT = new Set(PAINTED);
const PAINT_IN_FRAMES = new Set(PAINTED.map((name) => name.replace(/-./g, (letters) => letters[1].toUpperCase())));
const PAINT_IN_STYLE = new RegExp(`(^|;)\\s*(${PAINTED.join("|")})\\s*:[^;]*`, "g");
const OF_FRAME = new Set(["offset", "computedOffset", "easing", "composite"]);

const texts = new MutationObserver(noteTexts);
let touched = true; // anything that text depends on changed, besides the texts of these elements
const rewritten = new Set();
let isSized = null; // a rule may apply because an element has another size, as it may have with other words; null if not known
let isPlain = true; // the document has no text that its observer does not see: in shadow trees, frames and form fields
const WATCHED = {
  subtree: true,
  childList: true,
  attributes: true,
  attributeOldValue: true,
  characterData: true,
  characterDataOldValue: true,
};
texts.observe(document, WATCHED);
for (const [{ prototype }, ...names] of /** @type {[any, ...string[]][]} */ ([
  [CSSStyleSheet, "insertRule", "deleteRule", "replace", "replaceSync"],
  [CSSGroupingRule, "insertRule", "deleteRule"],
])) {
  for (const name of names) {
    wrap(prototype, name, () => {
      touched = true;
    });
  }
}

function noteTexts(records) {
  for (const record of records) {
    const element = touched ? null : rewrittenBy(record);
    if (element) rewritten.add(element);
    else touched ||= record.type !== "attributes" || changesText(record);
    for (const node of record.removedNodes) noteRemoved(node, record.target);
  }
}

// Returns the element that has other words in place of its old ones, as a counter has, or null. Then the same rules apply to all elements.
function rewrittenBy({ type, target, addedNodes, removedNodes, oldValue }) {
  const isWords = (node) => node.nodeType === Node.TEXT_NODE && node.data !== "";
  const isReplaced =
    type === "characterData"
      ? isWords(target) && oldValue !== ""
      : addedNodes.length > 0 && removedNodes.length > 0 && [...addedNodes, ...removedNodes].every(isWords);
  const element = type === "characterData" ? target.parentElement : target;
  if (!isReplaced || !(element instanceof Element) || UNSEEN.has(element.localName)) return null;
  isSized ??= hasSizedRules();
  return isSized ? null : element;
}

function hasSizedRules() {
  const isSizedRule = (rule) =>
    rule instanceof CSSContainerRule || areSized(rule.cssRules ?? rule.styleSheet?.cssRules);
  const areSized = (rules) => [...(rules ?? [])].some(isSizedRule);
  try {
    return [...document.styleSheets, ...document.adoptedStyleSheets].some((sheet) => areSized(sheet.cssRules));
  } catch {
    return true; // a sheet of another site, whose rules cannot be read
  }
}

function changesText({ target, attributeName, oldValue }) {
  if (attributeName !== "style") return !PAINT.has(attributeName);
  return unpainted(oldValue) !== unpainted(target.getAttribute("style"));
}

const unpainted = (style) => (style ?? "").replace(PAINT_IN_STYLE, "");

const textual = own(new WeakMap()); // effect -> whether it animates what text depends on
function isTextAnimated(inPlay) {
  const effects = inPlay() ?? document.getAnimations().map(({ effect }) => effect);
  return effects.some((effect) => {
    if (!(effect instanceof KeyframeEffect)) return false;
    if (!textual.has(effect)) {
      const names = effect.getKeyframes().flatMap((frame) => Object.keys(frame));
      textual.set(effect, !names.every((name) => OF_FRAME.has(name) || PAINT_IN_FRAMES.has(name)));
    }
    return textual.get(effect);
  });
}

// Scripts add text to measure it, and remove it at once. It is never drawn, but its font sets what they draw.
const MAX_REMOVED = 100;
const MAX_REMOVALS = 2000;
const MAX_MARKUP = 2000;
const LOADING = "audio,embed,frame,iframe,img,image,input,link,object,picture,script,style,template,video";
const removed = new Map(); // markup -> the first such element, and the node that it was in
let removals = 0;
function noteRemoved(node, owner) {
  if (!(node instanceof Element) || node.isConnected || removed.size >= MAX_REMOVED || removals >= MAX_REMOVALS) return;
  removals += 1;
  if (!node.textContent.trim() || node.matches(LOADING) || node.querySelector(LOADING)) return;
  const markup = node.outerHTML;
  if (markup.length <= MAX_MARKUP && !removed.has(markup)) removed.set(markup, { element: node, owner });
}

// Whether there may be text in a new font since the last `fresh`. A change of a rule's style is not noticed. `inPlay` returns the effects
// of animations, or null if it does not know all. If some elements have other words, it looks at these at once: a counter soon has no new ones.
function changed(inPlay) {
  for (const suspect of suspects) suspect.seen ||= isSeen(suspect.element);
  noteTexts(texts.takeRecords());
  touched ||= !isPlain || isTextAnimated(inPlay);
  if (!touched && rewritten.size > 0) newWords.push(...freshSince());
  return touched || newWords.length > 0;
}

function wrap(object, name, note) {
  const original = object[name];
  object[name] = {
    [name](...args) {
      const result = apply(original, this, args);
      note(this, result, ...args);
      return result;
    },
  }[name];
}

// Returns true if any of the text is new to this face. The glyph of an ASCII character does not depend on its neighbours.
function addWords(map, face, text, element) {
  if (!map.has(face)) map.set(face, { words: new Set(), element });
  const entry = map.get(face);
  const before = entry.words.size;
  for (const word of text.split(WORD)) {
    if (ASCII.test(word)) for (const letter of word) entry.words.add(letter);
    else entry.words.add(word);
  }
  return entry.words.size > before;
}

function* elementsOf(root) {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    const shadow = element.shadowRoot ?? closedRoots.get(element);
    isPlain &&= !(shadow || FIELDS.has(element.localName));
    if (shadow) yield* elementsOf(shadow);
    if (element.localName === "iframe" && element.contentDocument) yield* elementsOf(element.contentDocument);
  }
}

// A document that a frame has left has no window any more.
const isShown = (element) => element.ownerDocument.defaultView !== null;
const styleOf = (element, pseudo) => element.ownerDocument.defaultView.getComputedStyle(element, pseudo);

// Yields the texts that an element itself draws, with their styles.
function textsOf(element) {
  const style = styleOf(element);
  let text = `${element.value ?? ""} ${element.placeholder ?? ""}`;
  for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) text += ` ${node.data}`;
  if (style.display === "list-item") text += ` ${style.listStyleType}`;
  const texts = [[text, style]];
  for (const pseudo of ["::before", "::after", "::marker"]) {
    const inner = styleOf(element, pseudo);
    if (/["(]/.test(inner.content)) texts.push([contentOf(element, inner.content), inner]);
  }
  return texts.map(([text, style]) => [CASES[style.textTransform]?.(text) ?? text, style]);
}

const CASES = {
  uppercase: (text) => `${text} ${text.toUpperCase()}`,
  lowercase: (text) => `${text} ${text.toLowerCase()}`,
};
// The alternative text after a slash is not drawn.
function contentOf(element, content) {
  const shown = content.replace(/attr\(\s*([\w-]+)[^)]*\)/g, (_, name) => element.getAttribute(name) ?? "");
  return shown.replace(/\s\/\s"(?:[^"\\]|\\.)*"$/, "");
}

function faceOf(style, element) {
  return JSON.stringify([...FACE.map((name) => style.getPropertyValue(name)), language(element)]);
}
function language(element) {
  return element.closest?.("[lang]")?.lang || element.ownerDocument.documentElement.lang;
}

// Elements with words that were not yet seen in their face, each of which the host asks the browser about.
function fresh() {
  noteTexts(texts.takeRecords());
  isSized = null;
  return freshIn(elementsOf(document));
}

// The same after `changed`, without a walk through the page if only some elements have other words.
function freshSince() {
  noteTexts(texts.takeRecords());
  return touched ? fresh() : freshIn([...rewritten].filter((element) => element.isConnected && isShown(element)));
}

function freshIn(elements) {
  touched = false;
  rewritten.clear();
  const found = [];
  for (const element of elements) {
    if (UNSEEN.has(element.localName)) continue;
    const texts = textsOf(element).filter(([text]) => text.trim());
    if (!texts.length || !hasBox(element)) continue;
    const isNew = texts.filter(([text, style]) => addWords(known, faceOf(style, element), text, element));
    if (!isNew.length) continue;
    found.push(element);
    drawn.set(element, freshClusters(isNew));
    for (const box of lineBoxes(element)) {
      const face = faceOf(styleOf(box), box);
      if (!lines.has(face)) lines.set(face, box);
    }
  }
  return found;
}

function hasBox(element) {
  if (element.checkVisibility()) return true;
  const above = styleOf(element).display === "contents" ? element.parentElement : null;
  return above !== null && hasBox(above);
}

// A line is as high as the fonts of the boxes around its text ask for, whether they draw a glyph or not.
function* lineBoxes(element) {
  for (let box = element; box; box = box.parentElement ?? box.getRootNode().host) {
    yield box;
    if (!["inline", "contents"].includes(styleOf(box).display)) return;
  }
}

// At the page's end: an element for each face of a line and each font of captions and of a canvas, which have no text, and text that was removed.
function samples() {
  const found = [];
  for (const [face, box] of lines) {
    if (!isShown(box)) continue;
    const values = JSON.parse(face);
    const style = (set) => {
      for (const [number, name] of FACE.entries()) set(name, values[number]);
    };
    found.push(sample(box, "x", style, values.at(-1)));
  }
  for (const { text } of looks(window)) {
    for (const [font, { words, element }] of text) {
      const owner = element instanceof Element ? element : document.documentElement;
      found.push(sample(owner, [...words].join(" "), (set) => set("font", font)));
    }
  }
  for (const element of elementsOf(document)) if (element.localName === "video") found.push(...captions(element));
  for (const { element, owner } of removed.values()) {
    if (!element.isConnected && isShown(owner)) found.push(...showAgain(element, owner));
  }
  return found;
}

// Captions have no elements that could be asked about. Their style is not known either, so their text is tried in all fonts of captions.
function captions(video) {
  const shown = [...video.textTracks].filter(({ mode }) => mode === "showing");
  const cues = shown.flatMap((track) => [...track.cues]).filter((cue) => cue.getCueAsHTML);
  if (!cues.length) return [];
  const text = cues.map((cue) => cue.getCueAsHTML().textContent).join(" ");
  const styles = [...cueStyles(video.ownerDocument.styleSheets)];
  const asked = (name, ...more) => new Set([...more, ...styles.map((style) => style[name])].filter(Boolean));
  const has = (tag) => cues.some((cue) => cue.text.includes(tag));
  const found = [];
  for (const family of asked("fontFamily", "sans-serif")) {
    for (const weight of asked("fontWeight", "normal", has("<b") && "bold")) {
      for (const slant of asked("fontStyle", "normal", has("<i") && "italic")) {
        const font = `${slant} ${weight} 1px ${family}`;
        found.push(sample(video, text, (set) => set("font", font)));
      }
    }
  }
  return found;
}

function* cueStyles(sheets) {
  for (const sheet of sheets) {
    for (const rule of rulesOf(sheet) ?? []) {
      if (rule.selectorText?.includes("::cue")) yield rule.style;
      yield* cueStyles([rule.styleSheet ?? rule]);
    }
  }
}

// Puts a removed element back. Returns the elements in it that draw text.
function showAgain(top, owner) {
  const elements = [top, ...top.querySelectorAll("*")];
  for (const element of elements) {
    for (const name of ["background-image", "border-image", "list-style-image", "mask-image"]) {
      element.style?.setProperty(name, "none", "important"); // so that nothing more is loaded
    }
  }
  (owner.isConnected ? owner : document.documentElement).append(top);
  return elements.filter((element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE));
}

function* looks(view) {
  yield view.__hfdaskText;
  for (let number = 0; number < view.frames.length; number++) {
    try {
      if (view.frames[number].__hfdaskText) yield* looks(view.frames[number]);
    } catch {
      // another origin, whose text cannot be looked at
    }
  }
}

const labels = new WeakMap();
function sample(owner, text, style, lang = "") {
  const element = owner.ownerDocument.createElement("span");
  const set = (name, value) => element.style.setProperty(name, value, "important");
  set("all", "initial");
  set("position", "fixed");
  style(set);
  if (lang) element.lang = lang;
  element.textContent = text;
  drawn.set(element, freshClusters([[text, { fontFamily: "", font: element.style.font }]]));
  owner.ownerDocument.documentElement.append(element);
  labels.set(element, describe(owner));
  return element;
}

function describe(element) {
  const id = element.id ? `#${element.id}` : "";
  const classes = [...(element.classList ?? [])].map((name) => `.${name}`).join("");
  const text = (element.textContent ?? "").trim().replace(/\s+/gu, " ");
  const start = text && ` "${[...text].slice(0, 30).join("")}"`;
  return `<${element.localName}${id}${classes}>${start}`;
}

function about(element) {
  element.getBoundingClientRect(); // the browser reports the fonts of the last layout
  return {
    element: (labels.get(element) ?? describe(element)).slice(0, 500),
    families: styleOf(element).fontFamily.slice(0, 5000),
    clusters: (drawn.get(element) ?? []).slice(0, 5000),
  };
}

// Letters as readers see them, with what belongs to each (accents, joiners), that were not yet asked for in these families. What
// draws nothing needs no glyph.
const drawn = new WeakMap(); // element -> these
const { Segmenter } = Intl;
let letters = null; // made for the first text with other characters, since it takes ten times as long as all else here
const BLANK = /^[\p{White_Space}\p{Cc}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\ufffc]*$/u;
function freshClusters(texts) {
  const fresh = new Set();
  for (const [text, style] of texts) {
    const face = style.fontFamily || style.font;
    if (!clusters.has(face)) clusters.set(face, new Set());
    const asked = clusters.get(face);
    const parts = ASCII.test(text) ? text : partsOf(text);
    for (const part of parts) {
      if (asked.has(part) || BLANK.test(part) || part.length > 100) continue;
      asked.add(part);
      fresh.add(part);
    }
  }
  return [...fresh];
}

function partsOf(text) {
  letters ??= new Segmenter("en", { granularity: "grapheme" });
  return Array.from(letters.segment(text), ({ segment }) => segment);
}

// Letters that no font of this machine has, in elements that a web font draws: whether it has them is to be seen.
const suspects = []; // {element, cluster, seen}: drawn as a box, and whether it was ever in the picture
function suspect(asked) {
  for (const [number, cluster, mayBeCustom] of asked) {
    const element = found[number];
    if (mayBeCustom && !isBox(element, cluster)) continue;
    suspects.push({ element, cluster, seen: labels.has(element) || isSeen(element) });
  }
}

const lacking = () =>
  suspects
    .filter(({ seen }) => seen)
    .map(({ element, cluster }) => ({ element: (labels.get(element) ?? describe(element)).slice(0, 500), cluster }));

function isSeen(element) {
  if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
  const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
  const { innerWidth, innerHeight } = element.ownerDocument.defaultView;
  const isTiny = width <= 1 && height <= 1 && styleOf(element).overflow !== "visible"; // as it is for screen readers only
  return !isTiny && right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
}

// The families of the document's own faces, in lower case.
const MOST_FAMILIES = 1000;
const families = () => {
  const names = [...document.fonts].map(({ family }) => unquoted(family));
  return [...new Set(names)].slice(0, MOST_FAMILIES);
};

const NOBODYS = "\u0378"; // a character that does not exist
// Whether any part of a letter, in any of its spellings, looks as a character does that no font has.
function isBox(element, cluster) {
  const boxes = [element, "::before", "::after", "::marker"].map((of) => {
    const style = of === element ? styleOf(element) : styleOf(element, of);
    const nobodys = pixelsOf(NOBODYS, style);
    const isLacking = (character) => !BLANK.test(character) && pixelsOf(character, style) === nobodys;
    return ["NFC", "NFD"].every((form) => [...cluster.normalize(form)].some(isLacking));
  });
  return boxes.every(Boolean);
}

const SIDE = 48;
let pen = null;
function pixelsOf(character, { fontStyle, fontWeight, fontFamily }) {
  pen ??= new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  pen.font = `${fontStyle} ${fontWeight} ${SIDE / 2}px ${fontFamily}`;
  pen.clearRect(0, 0, SIDE, SIDE);
  apply(fillText, pen, [character, SIDE / 4, SIDE / 1.5]);
  return pen.getImageData(0, 0, SIDE, SIDE).data.join();
}

// Whether there are elements with new words, of the whole page, or of what has changed. The next look has them.
function isNew(everything) {
  newWords.push(...(everything ? fresh() : freshSince()));
  return newWords.length > 0;
}

// The host asks `about` what `fresh` or `samples` finds, and then the browser about these elements.
let found = [];
const newWords = []; // elements with new words about which the host has not asked yet
function look(elements) {
  found = [...new Set([...newWords.splice(0), ...elements()])].filter(isShown);
  return found.map(about);
}

// Not to be replaced, as the host relies on it.
Object.defineProperty(window, "__hfdaskText", {
  value: Object.freeze({
    changed: entering(changed),
    isNew: entering(isNew),
    fresh: entering(() => look(fresh)),
    freshSince: entering(() => look(freshSince)),
    samples: entering(() => look(samples)),
    suspect: entering(suspect),
    lacking: entering(lacking),
    families: entering(families),
    declared: entering(() => [...looks(window)].flatMap((look) => look.families())),
    found: () => found,
    text: canvasText,
  }),
});
