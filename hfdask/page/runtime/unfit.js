// Content that a capture from a canvas draws wrong, or not at all (docs/decisions/canvas-capture.md). Planning asks at some frames.

// Returns a sentence for each kind of such content, with one element that has it.
function unfit() {
  const found = new Map();
  if (usesShaders) found.set("a shader transition", document.documentElement);
  for (const page of allDocuments()) {
    if (showsViewTransition(page)) found.set("a view transition", page.documentElement);
    for (const element of elementsIn(page)) {
      for (const what of unfitIn(element)) if (!found.has(what)) found.set(what, element);
    }
  }
  return [...found].map(([what, element]) => `${what} (${cut(describe(element), MAX_NAME)})`).sort();
}

function* elementsIn(tree) {
  for (const element of tree.querySelectorAll("*")) {
    yield element;
    const root = element.shadowRoot ?? rootOf.get(element);
    if (root) yield* elementsIn(root);
  }
}

// A look may come before or after a transition.
const showsViewTransition = (page) => page.activeViewTransition || (page === document && hadTransition);
let hadTransition = false;
const { startViewTransition } = /** @type {any} */ (Document.prototype);
if (startViewTransition) {
  override(Document.prototype, {
    startViewTransition(...args) {
      hadTransition = true;
      return apply(startViewTransition, this, args);
    },
  });
}

function* unfitIn(element) {
  // Also a closed one: in the top layer it may be drawn alone, over all pictures before.
  if (element.localName === "dialog" || element.hasAttribute("popover")) yield "a popover or a dialog";
  if (!apply(checkVisibility, element, [{ checkVisibilityCSS: true }])) return;
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  if (style.transformStyle === "preserve-3d" && element.childElementCount) yield "a 3D scene";
  if (style.backfaceVisibility === "hidden") yield "a hidden back face";
  if (style.backdropFilter && style.backdropFilter !== "none") yield "a backdrop filter";
  if (element.localName === "canvas") yield* unfitInCanvas(element, style);
  if (isElsewhere(element, style)) yield "a picture from another site";
  if (FRAMES.includes(element.localName) && !element.contentDocument && hasContent(element)) {
    yield "a frame from another site, or in a sandbox";
  }
}

const FRAMES = ["iframe", "frame", "object", "embed"];
const hasContent = (element) => element.localName !== "embed" && Boolean(element.contentWindow);

// Return the width and the height of a box without its padding and border, in CSS pixels.
function contentSize(style) {
  const inner = (size, ...sides) =>
    Number.parseFloat(style[size]) -
    (style.boxSizing === "border-box" ? sides.reduce((sum, each) => sum + Number.parseFloat(style[each]), 0) : 0);
  return {
    width: inner("width", "paddingLeft", "paddingRight", "borderLeftWidth", "borderRightWidth"),
    height: inner("height", "paddingTop", "paddingBottom", "borderTopWidth", "borderBottomWidth"),
  };
}

// Returns true if a canvas draws the page faster in strips (docs/decisions/strips.md): it has few elements, and nothing that is made anew
// for each strip: a filter that reads the pixels around, the picture of a video, or the soft shadows of large boxes.
const MAX_SIMPLE = 300; // elements
const MAX_SHADOWS = 0.5; // of the picture
const READS_AROUND = /blur|shadow|url/;
function isSimple() {
  let count = 0;
  let shadows = 0;
  for (const page of allDocuments()) {
    for (const element of elementsIn(page)) {
      const { filter, boxShadow } = page.defaultView.getComputedStyle(element);
      if (++count > MAX_SIMPLE || READS_AROUND.test(filter) || element.localName === "video") return false;
      shadows += shadowArea(element, boxShadow);
    }
  }
  return shadows <= MAX_SHADOWS * window.innerWidth * window.innerHeight;
}

// Returns the pixels of an element's soft shadows, in CSS pixels.
function shadowArea({ offsetWidth = 0, offsetHeight = 0 }, boxShadow) {
  let area = 0;
  for (const [, text] of boxShadow.matchAll(/px \S+px ([\d.]+)px/g)) {
    const blur = Number(text);
    if (blur > 0) area += (offsetWidth + 2 * blur) * (offsetHeight + 2 * blur);
  }
  return area;
}

// Returns true if the scripts of the page draw nothing, so that its picture can be taken without displaying it first. The
// browser notes a change of a nested canvas only once until the canvas is displayed.
const drawsNothing = () => !document.getElementsByTagName("canvas").length && !window.length && !hasTrees;

// Its bitmap is drawn pixel by pixel, at the corner of its border.
function* unfitInCanvas(canvas, style) {
  const edges = ["Top", "Right", "Bottom", "Left"].flatMap((side) => [`padding${side}`, `border${side}Width`]);
  const { width, height } = contentSize(style);
  if (edges.some((edge) => Number.parseFloat(style[edge]) > 0)) yield "a canvas with a border or padding";
  const ratio = window.devicePixelRatio;
  const isOff = (length, pixels) => Math.abs(length * ratio - pixels) > 0.01;
  if (isOff(width, canvas.width) || isOff(height, canvas.height)) yield "a scaled canvas";
  if (isTainted(canvas)) yield "a canvas with a picture from another site";
  if (canvas.getRootNode() !== canvas.ownerDocument) yield "a canvas in a shadow tree"; // which no style of ours reaches
}

function isTainted(canvas) {
  try {
    if (canvas.width && canvas.height) apply(closePicture, new VideoPicture(canvas, { timestamp: 0 }), []);
    return false;
  } catch (error) {
    return error.name === "SecurityError";
  }
}

// The browser leaves out pictures that a page may not read, even if their server allows it and the element does not ask.
const PICTURES = ["backgroundImage", "maskImage", "borderImageSource", "listStyleImage", "content"];
function isElsewhere(element, style) {
  const base = element.baseURI;
  const shown = PICTURES.flatMap((property) =>
    style[property]?.includes("url(") ? urlsIn(style[property], base) : [],
  );
  const { currentSrc, poster, href, crossOrigin } = element;
  if (crossOrigin === null || crossOrigin === undefined) {
    if (element.localName === "img") shown.push(currentSrc);
    if (element.localName === "video") shown.push(poster);
    if (element.localName === "image" && href?.baseVal) shown.push(URL.parse(href.baseVal, base)?.href);
  }
  return shown.some(
    (url) => url && !["data:", "blob:"].some((each) => url.startsWith(each)) && !url.startsWith(`${location.origin}/`),
  );
}
