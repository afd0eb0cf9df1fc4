// Makes choices the same each time that a browser makes by what it has loaded already.
//
// - A face with `font-display: optional` or `fallback` is given up if it loads late. All faces are waited for, so all become
//   `block`. A face that was given up is loaded anew by changing its rule. That does not help a face of a script, so such
//   faces are changed before they are used.
// - Of a `srcset` Chromium takes the smallest candidate that is sharp enough, or a larger candidate that is in its memory. The
//   smallest one is the rule, so all others are removed from the attribute.
// - `loading="lazy"` is a matter of distance and time: nothing is lazy.

const HASTY = own(new Set(["optional", "fallback"]));

// Loads new faces at once; their document's `fonts` then has them as loading.
function loadFaces(document) {
  const { fonts } = document;
  let givenUp = false;
  for (const face of fonts) {
    const hasty = HASTY.has(face.display);
    if (hasty && face.status === "loaded") givenUp = true;
    else if (hasty) face.display = "block";
    if (face.status === "unloaded") apply(loadFace, face, []).catch(() => {});
  }
  if (givenUp && patientRules(document)) loadFaces(document);
}

// Chromium makes new faces of rules that change.
function patientRules(document) {
  let changed = false;
  for (const sheet of sheetsOf(document)) {
    for (const rule of faceRules(rulesOf(sheet))) {
      if (!HASTY.has(rule.style.getPropertyValue("font-display"))) continue;
      rule.style.setProperty("font-display", "block");
      changed = true;
    }
  }
  return changed;
}

const [STYLE, FONT_FACE] = [1, 5]; // also rules of frames, which have separate classes
function* faceRules(rules) {
  for (const rule of rules) {
    if (rule.type === FONT_FACE) yield rule;
    else if (rule.cssRules && rule.type !== STYLE) yield* faceRules(rule.cssRules);
  }
}

// The families that could not be loaded, with their files, and whether any text asks for them.
function brokenFaces() {
  const found = [];
  for (const document of allDocuments()) {
    const broken = new Set(
      [...document.fonts].filter(({ status }) => status === "error").map(({ family }) => unquoted(family)),
    );
    if (!broken.size) continue;
    for (const sheet of sheetsOf(document)) {
      for (const rule of faceRules(rulesOf(sheet))) {
        const family = unquoted(rule.style.getPropertyValue("font-family"));
        if (!broken.has(family)) continue;
        const urls = few(urlsIn(rule.cssText, sheet.href ?? document.baseURI));
        found.push({ family: cut(family, MAX_NAME), urls, used: isAskedFor(family) });
      }
    }
  }
  return found.slice(0, MAX_LISTED);
}

// A canvas may have any text, so a script that names a family asks for it. If there is a canvas, scripts in files may, too.
function isAskedFor(family) {
  const names = (text) => text.split(",").some((each) => unquoted(each.trim()) === family);
  for (const { defaultView, scripts, documentElement } of allDocuments()) {
    const paints = documentElement.querySelector("canvas") !== null;
    for (const element of [documentElement, ...documentElement.querySelectorAll("*")]) {
      const styles = [undefined, "::before", "::after"].map((pseudo) => defaultView.getComputedStyle(element, pseudo));
      if (styles.some((style) => names(style.fontFamily))) return true;
      if (element.shadowRoot || (element.localName.includes("-") && element !== sheet)) return true; // its text is not seen here
    }
    if ([...scripts].some(({ src, text }) => (src && paints) || text.toLowerCase().includes(family))) return true;
  }
  return false;
}

{
  const { add } = document.fonts.constructor.prototype;
  override(document.fonts.constructor.prototype, {
    add(face) {
      if (HASTY.has(face?.display)) face.display = "block";
      return apply(add, this, [face]);
    },
  });
}

// The candidates of a srcset: URL, descriptor, and pixels of the picture for each of the page.
function candidatesOf(element, srcset) {
  const found = [];
  let rest = srcset;
  for (;;) {
    rest = rest.replace(/^[\s,]+/, "");
    const url = /^\S+/.exec(rest)?.[0];
    if (!url) break;
    rest = rest.slice(url.length);
    const bare = url.replace(/,+$/, "");
    const [descriptor] = bare === url ? /^(?:\([^)]*\)|[^,(])*/.exec(rest) : [""];
    rest = rest.slice(descriptor.length);
    const width = /^(\d+)w(?:\s+\d+h)?$/.exec(descriptor.trim())?.[1];
    const density = /^(?:(\d*\.?\d+(?:e[+-]?\d+)?)x)?$/i.exec(descriptor.trim());
    if (width) found.push({ url: bare, descriptor: descriptor.trim(), width: Number(width) });
    else if (density) found.push({ url: bare, descriptor: descriptor.trim(), density: Number(density[1] ?? 1) });
  }
  if (found.some(({ width }) => width)) {
    const size = sourceSize(element.getAttribute("sizes") ?? "", element.ownerDocument);
    for (const each of found) if (each.width) each.density = each.width / size;
  } else if (element.localName === "img" && element.getAttribute("src")) {
    found.push({ url: "", descriptor: "", density: 1 }); // nothing in the srcset leaves it to the src
  }
  return found;
}

// CSS pixels that `sizes` means, with parentheses in it three levels deep.
const NESTED = ["[^()]*", "[^()]*", "[^()]*"].reduce((inner, flat) => `${flat}(?:\\(${inner}\\)${flat})*`);
const ENTRIES = new RegExp(`(?:\\(${NESTED}\\)|[^,(])+`, "g");
const ENTRY = new RegExp(`^([^]*?)([\\w-]*\\(${NESTED}\\)|[^\\s()]+)$`);
function sourceSize(sizes, { defaultView: view }) {
  for (const entry of sizes.match(ENTRIES) ?? []) {
    const [, media, length] = ENTRY.exec(entry.trim()) ?? [];
    if (!length || (media.trim() && !view.matchMedia(media).matches)) continue;
    const size = pixelsOf(length, view);
    if (size !== null) return size;
  }
  return view.innerWidth;
}

function pixelsOf(length, { document, innerWidth, CSS }) {
  const [, number, unit] = /^\+?(\d*\.?\d+)(px|vw)$/i.exec(length) ?? [];
  if (unit) return unit.toLowerCase() === "px" ? Number(number) : (Number(number) * innerWidth) / 100;
  if (length.includes("%") || !/\d/.test(length) || !CSS.supports("width", length)) return null;
  const measure = document.createElement("span");
  measure.style.cssText = `all:initial!important;position:fixed!important;width:${length}!important`;
  document.documentElement.append(measure);
  const size = Number.parseFloat(measure.ownerDocument.defaultView.getComputedStyle(measure).width);
  measure.remove();
  return size >= 0 ? size : null;
}

const choiceMade = new WeakMap(); // element -> what was written, and what is left of it

function chooseSource(element) {
  const srcset = element.getAttribute("srcset");
  const before = choiceMade.get(element);
  const written = before?.left === srcset ? before.written : srcset;
  const key = `${element.getAttribute("sizes")}\n${written}`;
  if (before?.key === key && before.left === srcset) return;
  const candidates = candidatesOf(element, written).sort((a, b) => a.density - b.density);
  const sharp = candidates.find(({ density }) => density >= window.devicePixelRatio);
  const { url, descriptor } = sharp ?? candidates.at(-1) ?? { url: written, descriptor: "" };
  const left = candidates.length > 1 ? `${url} ${descriptor}`.trim() : srcset;
  choiceMade.set(element, { key, written, left });
  if (left !== srcset) element.setAttribute("srcset", left);
}

// `sizes="auto"` is of lazy images alone, and means their width in the layout.
const autoSized = new WeakSet();
const treesOf = (each) => (each === document ? trees() : [each]);
const matchingIn = (document, selector) => treesOf(document).flatMap((tree) => [...tree.querySelectorAll(selector)]);
function nothingLazy(document) {
  for (const element of matchingIn(document, "img[loading],iframe[loading]")) {
    if (element.loading !== "lazy") continue;
    if (/^\s*auto\b/i.test(element.sizes ?? "")) autoSized.add(element);
    element.loading = "eager";
  }
  if (document.readyState !== "complete") return;
  for (const image of matchingIn(document, 'img[sizes^="auto" i]')) {
    if (autoSized.has(image) && image.clientWidth) image.sizes = `${image.clientWidth}px`;
  }
}

function chooseAlike(document) {
  loadFaces(document);
  nothingLazy(document);
  for (const element of matchingIn(document, "img[srcset],source[srcset]")) chooseSource(element);
}

const CONCERNED = "style,link,img,source,picture,iframe";
const choices = new MutationObserver(entering((records) => void (concernChoices(records) && chooseAlike(document))));
const CHOSEN = { subtree: true, childList: true, attributeFilter: ["srcset", "sizes", "media", "type", "loading"] };
choices.observe(document, CHOSEN);
treeSetUps.push((root) => choices.observe(root, CHOSEN));

function concernChoices(records) {
  return records.some(({ type, target, addedNodes }) => {
    if (type === "attributes" || target.localName === "style") return true;
    return [...addedNodes].some((node) => node.matches?.(CONCERNED) || node.querySelector?.(CONCERNED));
  });
}

// Makes the choices for elements and faces that a seek has added.
let faceCount = 0;
function chooseFresh() {
  const concern = concernChoices(choices.takeRecords());
  if (!concern && document.fonts.size === faceCount) return;
  chooseAlike(document);
  faceCount = document.fonts.size;
}
