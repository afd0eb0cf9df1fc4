// The pictures of a frame must be loaded before it is captured. But the browser fetches a style's picture only when a box uses it,
// and draws without it until then. So pictures of style sheets are fetched while the page loads, and frames wait for pictures that
// a seek adds.

// Leaves out addresses that cannot be read, such as `http://` of an empty variable: the browser draws nothing for them.
function urlsIn(css, base) {
  const found = [...css.matchAll(/url\((["']?)(.*?)\1\)/g)].map(([, , url]) => url);
  const named = found.filter((url) => url && !url.startsWith("#"));
  return named.map((url) => URL.parse(url, base)?.href).filter(Boolean);
}

// The server reports missing pictures; broken pictures are drawn as broken, as in any browser.
function decode(image) {
  const decoded = image.localName === "img" ? apply(decodeImage, image, []) : image.decode();
  return decoded.catch((error) => console.warn(`${image.currentSrc ?? image.href?.baseVal}: ${error.message}`));
}

function fetchPicture(url) {
  const image = new Image();
  image.src = url;
  return image;
}

// Kept for the page's life, because the browser's own cache keeps a picture only while it is referenced. A rule that no element
// uses may name a missing file. So the first request is not for an image, because a missing image ends a render.
const sheetPictures = new Map();
async function keepPicture(url) {
  sheetPictures.set(url, null);
  const there = await networkFetch(url, { method: "HEAD" }).catch(() => null);
  if (!there?.ok) return;
  const image = fetchPicture(url);
  sheetPictures.set(url, image);
  await decode(image);
}

// Returns the bytes of a picture; null if there is none. The request removes the picture itself from the browser's cache, so it
// is put back, and kept there.
const keptPictures = [];
async function pictureFile(url) {
  const response = await networkFetch(url).catch(() => null);
  if (!response?.ok) return null;
  const file = await response.blob();
  const image = fetchPicture(url);
  keptPictures.push(image);
  await new Promise((done) => {
    for (const event of ["load", "error"]) image.addEventListener(event, done);
  });
  return file;
}

const scanned = new WeakMap(); // sheet -> number of rules: readiness asks often, and reading rules is slow
function fetchSheetPictures() {
  for (const sheet of trees().flatMap(sheetsOf)) {
    const rules = rulesOf(sheet);
    if (scanned.get(sheet) === rules.length) continue;
    scanned.set(sheet, rules.length);
    for (const rule of rules) {
      const noPictures = [CSSFontFaceRule, CSSImportRule, CSSNamespaceRule].some((kind) => rule instanceof kind);
      if (noPictures || !rule.cssText.includes("url(")) continue;
      for (const url of urlsIn(rule.cssText, sheet.href ?? document.baseURI)) {
        if (!sheetPictures.has(url)) gate(url, () => keepPicture(url), readings);
      }
    }
  }
}

function sheetsOf(tree) {
  return [...allSheets([...tree.styleSheets, ...tree.adoptedStyleSheets])];
}

function* allSheets(sheets) {
  for (const sheet of sheets) {
    yield sheet;
    const imports = [...rulesOf(sheet)].filter((rule) => rule instanceof CSSImportRule && rule.styleSheet);
    yield* allSheets(imports.map((rule) => rule.styleSheet));
  }
}

// Also in shadow trees of the page itself; pictures of frames are drawn when they arrive.
function imagesOf([, ...inner]) {
  return [...allImages(), ...inner.flatMap(({ images }) => [...images])];
}

const inlineSeen = new Set();
const vectorSource = new WeakMap();
let held = []; // this frame's, until the boxes that use them hold them

function pendingPictures() {
  held = [];
  for (const element of allMatching('[style*="url("]')) {
    for (const url of urlsIn(element.getAttribute("style"), document.baseURI)) {
      if (inlineSeen.has(url)) continue;
      inlineSeen.add(url);
      held.push(fetchPicture(url));
    }
  }
  held.push(...imagesOf(allDocuments()).filter((image) => !image.complete));
  for (const image of allMatching("svg image")) {
    if (vectorSource.get(image) === image.href.baseVal) continue;
    vectorSource.set(image, image.href.baseVal);
    if (image.href.baseVal) held.push(image);
  }
  return held.map(decode);
}
