// Sub-compositions: files and in-document templates, mounted in their hosts (docs/compositions.md, 4).
//
// The HTML parser lets microtasks run before each script, so an observer of mutations can mount every host that is
// closed by then: author scripts find the page as if it had been one file. The other hosts are mounted as soon as the parser is
// done, before deferred scripts and DOMContentLoaded. Hosts that scripts add later are mounted until the page is settled.

const HOST = "[data-composition-src]";
const MOUNTED = "[data-composition-file]";
const MAX_DEPTH = 20;
const PLACEHOLDER = /__\w+__|<<.*>>|\{\{.*\}\}|\$\{.*\}/;

// Attributes that a wrapper loses. The host has its own, and two elements with one composition id would be two compositions.
const HOSTS_OWN = [
  ...[
    "data-composition-id",
    "data-composition-file",
    "data-composition-src",
    "data-start",
    "data-duration",
    "data-end",
  ],
  ...["data-track-index", "data-track"],
];

// One for each: `id` at run time, `authored` in the host or else `declared` in the file, elements `host` and `wrapper`
// (none if the file does not declare the host's id), `isChild` if the wrapper is a child of the host, its former `rootId`,
// `scope` in selectors, `file`, `template` (its id, or null), `depth`, and the variables `given` by the host.
const mounts = [];
const offenders = own(new Map()); // file -> what is wrong with it
const passedOver = new WeakSet(); // hosts that stay as they are

const NativeRequest = window.XMLHttpRequest;

// Returns the text at a URL synchronously; null if there is none.
const texts = new Map();
function readText(url) {
  if (!texts.has(url)) texts.set(url, request(url));
  return texts.get(url);
}

function request(url) {
  const asked = new NativeRequest();
  asked.open("GET", new URL(url, location.origin), false); // whatever <base> the page has
  try {
    asked.send();
  } catch {
    return null; // another origin that does not share
  }
  return asked.status >= 200 && asked.status < 300 ? asked.responseText : null;
}

const TREE = "template[shadowrootmode]";
const TEMPLATE = `template:not(${TREE})`;
// Return the text of a file of the project, or null.
function textOfFile(file) {
  return readText(`/${file.split("/").map(encodeURIComponent).join("/")}`);
}

const parseHtml = (html) => new DOMParser().parseFromString(html, "text/html");

let fileNames = null;
function projectHas(name) {
  fileNames ??= new Set(JSON.parse(readText("/.hfdask/files.json")));
  return fileNames.has(name);
}

// The name of a file of the project, or null for a URL outside; `..` ends at the project's folder, as in any URL.
function fileAt(url, base = "") {
  const there = URL.parse(url, new URL(base, `${location.origin}/`));
  return there?.origin === location.origin ? decoded(there.pathname.slice(1)) : null;
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a bare % is not an escape
  }
}

// Resolves a URL of the entry document. Elements of another document would not know its <base>.
function absolute(url) {
  return URL.parse(url, document.baseURI)?.href ?? url;
}

// A URL of a sub-composition's file, as the entry document must write it.
function rebase(url, file) {
  const climbs = url.startsWith("../");
  return isRelative(url) && (climbs || projectHas(fileAt(url, encodeURI(file)))) ? fromRoot(url, file) : url;
}

function fromRoot(url, file) {
  if (!isRelative(url)) return url;
  const there = URL.parse(url, `${location.origin}/${encodeURI(file)}`);
  if (!there) return url;
  const path = there.pathname + there.search + there.hash;
  const base = absolute(".");
  if (base === `${location.origin}/`) return path.slice(1);
  return base.startsWith(`${location.origin}/`) ? path : there.href;
}

function isRelative(url) {
  return url !== "" && !/^(?:[a-z][a-z0-9+.-]*:|[/#?])/i.test(url);
}

// The entry document once more, as written: what is still to come decides about ids and the order of scripts.
let entryDocument = null;
function entry() {
  if (entryDocument) return entryDocument;
  const written = parseHtml(readText(location.pathname + location.search) ?? "");
  const ids = new Map();
  for (const element of written.querySelectorAll(COMPOSITION)) {
    const id = element.getAttribute("data-composition-id");
    ids.set(id, (ids.get(id) ?? 0) + 1);
  }
  const inOrder = "script[src]:not([defer],[async],[type=module])";
  const blocking = /** @type {NodeListOf<HTMLScriptElement>} */ (written.querySelectorAll(inOrder));
  entryDocument = { ids, scripts: new Set(Array.from(blocking, (script) => script.src)) };
  return entryDocument;
}

// Compositions keep their ids unless another one has it too; then all of the entry's that share it get new ones.
const takenIds = new Set();
function runtimeId(id, isEntrys) {
  const { ids } = entry();
  const alone = isEntrys && ids.has(id) ? ids.get(id) === 1 : !ids.has(id);
  let candidate = id;
  for (let n = 1; candidate === id ? !alone || takenIds.has(id) : takenIds.has(candidate) || ids.has(candidate); n++) {
    candidate = `${id}__hf${n}`;
  }
  takenIds.add(candidate);
  return candidate;
}

// Whether the parser has left an element: something follows it.
function isClosed(element) {
  if (document.readyState !== "loading") return true;
  for (let node = element; node; node = node.parentNode) if (node.nextSibling) return true;
  return false;
}

// Returns true if anything was mounted. Mounted content may itself have hosts.
function mountAll() {
  const before = mounts.length;
  for (let known = -1; known < mounts.length; ) {
    known = mounts.length;
    for (const host of document.querySelectorAll(HOST)) {
      if (!passedOver.has(host) && isClosed(host)) mountFile(host);
    }
    for (const template of document.querySelectorAll('template[id$="-template"]')) mountTemplate(template);
  }
  return mounts.length > before;
}

function mountFile(host) {
  passedOver.add(host); // whatever happens, it is looked at once
  const source = host.getAttribute("data-composition-src").trim();
  if (PLACEHOLDER.test(source)) return;
  const file = fileAt(source);
  const above = filesAbove(host);
  if (above.includes(file)) {
    warn(`${describe(host)} mounts ${source}, which it is in; it stays empty`);
    return;
  }
  if (above.length > MAX_DEPTH) {
    warn(`${describe(host)} is more than ${MAX_DEPTH} sub-compositions deep; it stays empty`);
    return;
  }
  const written = readComposition(file || `"${cut(source.replace(/[?#].*/s, ""), 200)}"`);
  if (!written) return;
  const template = /** @type {HTMLTemplateElement | null} */ (written.querySelector(TEMPLATE));
  const carriers = [written.documentElement];
  const inHead = template ? [] : [...written.head.querySelectorAll("style,script")];
  const assets = inHead.filter((each) => !isData(each));
  for (const link of written.head.querySelectorAll("link[rel~=stylesheet],link[rel~=preconnect]")) hoist(link, file);
  const content = template ? template.content : written.createDocumentFragment();
  if (!template) content.append(...inHead.filter(isData), ...written.body.childNodes);
  host.removeAttribute("data-composition-src");
  host.setAttribute("data-composition-file", source);
  mount(host, { content, assets, carriers, file, template: null, depth: above.length });
}

function mountTemplate(template) {
  if (!isClosed(template)) return;
  const id = template.id.slice(0, -"-template".length);
  for (const host of document.querySelectorAll(`[data-composition-id="${CSS.escape(id)}"]:not(${HOST},${MOUNTED})`)) {
    if (host.childElementCount || passedOver.has(host) || !isClosed(host)) continue;
    passedOver.add(host);
    const { file, depth } = mountAround(host) ?? { file: null, depth: 0 };
    const content = template.content.cloneNode(true);
    mount(host, { content, assets: [], carriers: [], file, template: template.id, depth: depth + 1 });
  }
}

function filesAbove(host) {
  const files = [];
  for (let at = host.parentElement?.closest(MOUNTED); at; at = at.parentElement?.closest(MOUNTED)) {
    files.push(fileAt(at.getAttribute("data-composition-file")));
  }
  return [...files, decoded(location.pathname.slice(1))];
}

function mountAround(element) {
  return mounts.findLast((mounted) => mounted.host.contains(element)) ?? null;
}

// Returns the document of a file. An invalid file gives null, which ends the render.
function readComposition(file) {
  const offend = (what) => void offenders.set(file, what);
  if (!projectHas(file)) return offend("does not exist");
  const html = textOfFile(file);
  if (html === null) return offend("cannot be read");
  if (html.trim() === "") return offend("is empty");
  const written = parseHtml(html);
  const template = /** @type {HTMLTemplateElement | null} */ (written.querySelector(TEMPLATE));
  const within = template?.content ?? written;
  if (!within.querySelector(COMPOSITION)) return offend("has no element with a data-composition-id");
  return written;
}

// Everything is prepared in the file's own document, in which nothing loads or runs, and adopted as a whole.
function mount(host, { content, assets, carriers, file, template, depth }) {
  const named = host.getAttribute("data-composition-id");
  const wrapper = content.querySelector(named === null ? COMPOSITION : `[data-composition-id="${CSS.escape(named)}"]`);
  const declared = (wrapper ?? content.querySelector(COMPOSITION))?.getAttribute("data-composition-id") ?? named;
  const authored = named ?? declared;
  const id = runtimeId(authored, named !== null && !host.parentElement?.closest(MOUNTED));
  const mounted = {
    id,
    authored,
    declared,
    host,
    wrapper,
    isChild: wrapper?.parentNode === content,
    rootId: wrapper?.id ?? "",
    scope: named === null ? `[data-hf-scope="${id}"]` : `[data-composition-id="${id}"]`,
    file,
    template,
    depth,
    given: givenValues(host),
  };
  const values = {};
  for (const carrier of [...carriers, ...(wrapper ? [wrapper] : [])]) {
    for (const item of declarationsOf(carrier)) values[item.id] = item.default;
  }
  window.__hfVariablesByComp[id] = { ...window.__hfVariablesByComp[id], ...values, ...mounted.given };

  const trees = declaredTrees(content);
  if (file !== null) {
    rebaseAttributes([content, ...assets, ...trees], file);
    for (const style of trees.flatMap((tree) => [...tree.querySelectorAll("style")])) {
      style.textContent = rewriteUrls(style.textContent, (url) => rebase(url, file));
    }
  }
  const collected = [...assets, ...content.querySelectorAll("style,script,link[rel~=stylesheet]")];
  flatten(mounted, named === null);
  for (const element of collected) collect(element, mounted);
  host.replaceChildren(document.adoptNode(content));
  mounts.push(mounted);
}

// Makes the shadow trees that markup declares, as the browser's parser does in a document that it opens.
function declaredTrees(content) {
  const made = [];
  for (const template of content.querySelectorAll(TREE)) {
    const mode = template.getAttribute("shadowrootmode");
    const host = template.parentElement;
    if (!["open", "closed"].includes(mode) || !host || rootOf.has(host)) continue;
    const has = (name) => template.hasAttribute(`shadowroot${name}`);
    const options = {
      delegatesFocus: has("delegatesfocus"),
      clonable: has("clonable"),
      serializable: has("serializable"),
    };
    const tree = host.attachShadow({ mode, ...options });
    tree.append(template.content);
    template.remove();
    made.push(tree, ...declaredTrees(tree));
  }
  return made;
}

function flatten({ id, authored, host, wrapper, rootId }, anonymous) {
  const carriesId = anonymous ? wrapper : host;
  if (wrapper) {
    for (const { name } of [...wrapper.attributes]) {
      if (HOSTS_OWN.includes(name) || name.startsWith("data-hf-authored-")) wrapper.removeAttribute(name);
    }
    wrapper.removeAttribute("id");
    if (rootId) wrapper.setAttribute("data-hf-authored-id", rootId);
    wrapper.setAttribute("data-hf-inner-root", "true");
  }
  if (anonymous) host.setAttribute("data-hf-scope", id);
  carriesId.setAttribute("data-composition-id", id);
  if (id !== authored) carriesId.setAttribute("data-hf-original-composition-id", authored);
  for (const name of ["width", "height"]) {
    const own = wrapper && pixels(wrapper, `data-${name}`, null);
    if (own) {
      wrapper.style.setProperty(name, `${own}px`);
      if (!host.hasAttribute(`data-${name}`)) host.setAttribute(`data-${name}`, wrapper.getAttribute(`data-${name}`));
    } else if (wrapper && !wrapper.style.getPropertyValue(name)) wrapper.style.setProperty(name, "100%");
    const size = pixels(host, `data-${name}`, null);
    if (size !== null && !host.style[name]) host.style[name] = `${size}px`;
  }
}

function rebaseAttributes(parts, file) {
  const elements = parts.flatMap((part) => [part, ...part.querySelectorAll("[src],[href]")]);
  for (const element of elements) {
    for (const name of ["src", "href"]) {
      const url = element.getAttribute?.(name)?.trim();
      if (url) element.setAttribute(name, rebase(url, file));
    }
  }
}

// Takes styles and scripts out of the markup. Data blocks stay, because scripts look for them in their place.
function collect(element, mounted) {
  if (element.localName === "link") {
    placeSheetOf(element, (sheet) => element.replaceWith(sheet));
  } else if (element.localName === "style") {
    element.remove();
    addScopedStyle(element, mounted);
  } else if (collectScript(element, mounted)) element.remove();
}

const USED_SHEET = "[rel~=stylesheet]:not([rel~=alternate],[disabled],[href=''])";

function placeSheetOf(link, place) {
  const sheet = sheetOf(link);
  if (sheet === link && link.matches(USED_SHEET)) scriptsWaitFor(link);
  place(sheet);
}

// Replaces a linked sheet of the project by a style element, which needs no request: a script that measures must never race with
// a request. Rules that are not scoped keep no other trace of their file than their URLs.
function sheetOf(link) {
  const file = fileAt(link.getAttribute("href") ?? "", document.baseURI);
  if (!link.matches(USED_SHEET) || file === null || !projectHas(file)) return link;
  const style = document.createElement("style");
  if (link.media) style.media = link.media;
  style.textContent = rewriteUrls(readText(absolute(link.getAttribute("href"))), (url) => fromRoot(url, file));
  return style;
}

const hoisted = new Set();
function hoist(link, file) {
  link.setAttribute("href", rebase((link.getAttribute("href") ?? "").trim(), file));
  const url = absolute(link.getAttribute("href"));
  if (hoisted.has(url) || [...document.querySelectorAll("link")].some(({ href }) => href === url)) return;
  hoisted.add(url);
  const scoped = document.head.querySelector("style[data-hf-scoped]");
  placeSheetOf(link, (sheet) => document.head.insertBefore(document.adoptNode(sheet), scoped));
}

// One look at a page that is being built.
function assemble() {
  const changed = mountAll();
  if (document.readyState === "loading") {
    if (mayRunExternals()) runExternals();
  } else runScripts();
  applyVariables();
  if (changed && prepared) placeMounted();
}

const assembling = new MutationObserver(entering(() => caught(assemble)));
assembling.observe(document, { subtree: true, childList: true });
document.addEventListener(
  "readystatechange",
  entering(() => {
    if (document.readyState === "interactive") caught(assemble);
  }),
);
