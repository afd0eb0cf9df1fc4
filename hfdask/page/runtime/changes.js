// Whether a frame can differ from the one before, and a fresh drawing for each that can.
//
// Blink saves work in ways that make a frame depend on earlier frames. A tile is drawn again only if a change is
// seen, and transforms that differ by less than 1e-5 count as equal; a transform that changes in place keeps the sub-pixel
// offset it had. So at the end of an easing an element stays as it was drawn some frames ago. Hence two rules: what the
// compositor calls undamaged is believed only if nothing in the page moved at all, and a frame in which something moved
// is drawn anew as a whole.

let moved = true; // an animation's time was set
let altered = true; // the page, since its animations were looked for

const WATCHED = { subtree: true, childList: true, attributes: true, characterData: true };
const everything = new MutationObserver(entering(noteMovement));
documentSetUps.push(() => {
  everything.observe(document, WATCHED);
});
treeSetUps.push((root) => everything.observe(root, WATCHED));

function noteMovement(records) {
  if (!records.length) return;
  moved = altered = true;
  noteTrees(records);
  for (const { type, target, attributeName, addedNodes } of records) {
    if (type === "attributes" && ["src", "srcdoc", "href"].includes(attributeName)) {
      adoptAround(target);
      expectElement(target);
    }
    for (const node of addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      adoptMediaIn(node);
      expectIn(node);
    }
  }
}

// Changed rules do not count as a change of the document; a changed style of an element does.
const ruleOf = describeProperty(CSSStyleDeclaration.prototype, "parentRule").get;
for (const [{ prototype }, ...names] of /** @type {[any, ...string[]][]} */ ([
  [CSSStyleSheet, "insertRule", "deleteRule", "replace", "replaceSync"],
  [CSSGroupingRule, "insertRule", "deleteRule"],
  [CSSStyleDeclaration, "setProperty", "removeProperty"],
])) {
  for (const name of names) {
    const change = prototype[name];
    override(prototype, {
      [name](...args) {
        altered ||= !(this instanceof CSSStyleDeclaration) || apply(ruleOf, this, []) !== null;
        return apply(change, this, args);
      },
    });
  }
}
for (const [{ prototype }, name] of /** @type {[any, string][]} */ ([
  [StyleSheet, "disabled"],
  [Document, "adoptedStyleSheets"],
  [ShadowRoot, "adoptedStyleSheets"],
])) {
  const property = propertyOf(prototype, name);
  if (!property?.set) continue;
  const set = function (value) {
    altered = true;
    apply(property.set, this, [value]);
  };
  redefine(prototype, name, { ...property, set });
}

// A sheet behind the whole page, so faint that it changes no pixel: changing it makes everything on its layer be drawn.
const sheet = document.createElementNS("http://www.w3.org/1999/xhtml", "hfdask-sheet");
const FAINT = ["color(srgb 0 0 0 / .0001)", "color(srgb 0 0 0 / .0002)"];
sheet.style.cssText =
  "all:initial!important;display:block!important;position:absolute!important;left:0!important;top:0!important;" +
  "width:100vw!important;height:100vh!important;z-index:-2147483648!important;pointer-events:none!important";
// A clip far outside of the viewport, which also changes no pixel: setting or dropping it makes all offsets be computed.
const CLIPS = ["none", "inset(-100000px)"];
let mayClip = false;

function placeSheet() {
  if (config.hosted) return; // each of its pictures is drawn as a whole
  mayClip = getComputedStyle(document.documentElement).clipPath === "none";
  document.documentElement.append(sheet);
}

let turn = 0;
function drawAnew() {
  if (config.hosted) return;
  for (const clock of childClocks()) clock.drawAnew();
  if (!document.documentElement) return; // a frame that has only begun to load
  if (!sheet.isConnected) placeSheet();
  turn = 1 - turn;
  sheet.style.setProperty("background", FAINT[turn], "important");
  if (mayClip) document.documentElement.style.setProperty("clip-path", CLIPS[turn], "important");
  everything.takeRecords(); // our own
}

// Whether anything moved since the last call, here or in the frames below; a frame of another origin counts as moving all
// the time.
function takeMovement() {
  const children = childClocks();
  const below = children.filter((clock) => clock.takeMovement()).length > 0 || children.length < window.frames.length;
  noteMovement(everything.takeRecords());
  const here = moved;
  moved = false;
  return here || below;
}

// The same; and if so, the next drawing is a whole one.
function takeMoved() {
  const changed = takeMovement();
  if (changed) drawAnew();
  return changed;
}
