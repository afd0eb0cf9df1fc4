// A sub-composition's scripts see their own part of the page first (docs/compositions.md, 4.6): views of document, window, gsap and anime,
// and the values of their instance. They run when the parser is done, after the page's own scripts.

const externals = []; // {mounted, url}, each URL run once, before all inline ones
const inlines = []; // {mounted, code} or {mounted, module} in order of discovery
const loaded = new Set();
const arrivals = []; // promises of what could not be read at once
let oneIsLate = false;
const { append } = Element.prototype;
const IMPORTS = "importmap";
const JAVASCRIPT = /^(?:(?:text|application)\/(?:x-)?(?:java|ecma)script)?$/i;

const typeOf = (script) => (script.getAttribute("type") ?? "").trim();

function isData(element) {
  return (
    element.localName === "script" &&
    !["module", IMPORTS].includes(typeOf(element)) &&
    !JAVASCRIPT.test(typeOf(element))
  );
}

// Returns whether this is a script to run; anything else is data.
function collectScript(element, mounted) {
  const type = typeOf(element);
  if (type === "module") inlines.push({ mounted, module: element });
  else if (type === IMPORTS) addImports(element.textContent, mounted);
  else if (isData(element)) return false;
  else if (element.hasAttribute("nomodule")) return true;
  else if (element.getAttribute("src")) externals.push({ mounted, url: absolute(element.getAttribute("src")) });
  else inlines.push({ mounted, code: element.textContent });
  return true;
}

// Gives modules the names of a scene's import map, whose URLs count from the scene's file.
function addImports(text, { file }) {
  const script = document.createElement("script");
  script.type = IMPORTS;
  script.textContent = file === null ? text : importsFrom(text, file);
  theirs(() => apply(append, document.head, [script]));
}

function importsFrom(text, file) {
  const there = (url) => (/^\.{0,2}\//.test(url) ? absolute(fromRoot(url, file)) : url);
  const addresses = (map) =>
    Object.fromEntries(Object.entries(map ?? {}).map(([name, url]) => [there(name), url === null ? url : there(url)]));
  try {
    const { imports, scopes, ...others } = JSON.parse(text);
    const within = Object.entries(scopes ?? {}).map(([scope, map]) => [there(scope), addresses(map)]);
    return JSON.stringify({ ...others, imports: addresses(imports), scopes: Object.fromEntries(within) });
  } catch {
    return text; // the browser says what is wrong
  }
}

function scriptsWaitFor(element) {
  const arrival = (done) => {
    for (const name of ["load", "error"]) element.addEventListener(name, done);
  };
  arrivals.push(new Promise(arrival));
}

// The page's own inline scripts may use what only a sub-composition loads. Those must wait for all of the page's
// libraries, which plug-ins build on; so they run in front of the first inline script that comes after those.
function mayRunExternals() {
  if (!externals.length) return false;
  const next = document.scripts[document.scripts.length - 1];
  if (!next || next.src || !document.body?.contains(next)) return false;
  const here = new Set([...document.scripts].map((script) => script.src));
  return entry().scripts.isSubsetOf(here);
}

function runExternals() {
  for (const { url } of inOrder(externals)) {
    const there = loaded.has(url) || entry().scripts.has(url);
    if (there || [...document.scripts].some(({ src }) => src === url)) continue;
    loaded.add(url);
    const name = fileAt(url);
    // What cannot be read, or is not there, is left to the browser; what comes after it must keep the order.
    const code = oneIsLate || (name !== null && !projectHas(name)) ? null : readText(url);
    const script = document.createElement("script");
    if (code === null) {
      Object.assign(script, { async: false, src: url });
      oneIsLate = true;
      scriptsWaitFor(script);
    } else script.text = `${code}\n//# sourceURL=${url}`;
    const { body } = document;
    theirs(() => apply(append, body, [script])); // runs it
  }
}

// Scripts of a scene come before scripts of the scenes inside it.
function inOrder(scripts) {
  return scripts.splice(0).sort((a, b) => a.mounted.depth - b.mounted.depth);
}

let batches = 0;
function runScripts() {
  runExternals();
  const batch = inOrder(inlines);
  if (!batch.length) return;
  const run = () => {
    for (const script of batch) script.module ? runModule(script) : runScoped(script);
  };
  if (arrivals.length)
    gate(`scripts of sub-compositions ${++batches}`, () => Promise.all(arrivals.splice(0)).then(entering(run)));
  else run();
}

// Modules have their own scope, and cannot get another. But a module that only uses the name `__hyperframes` gets a constant of that name.
const ownHyperframes = [];
const NAMED = /(?<![.\w$])__hyperframes\b/;
const MAY_DECLARE = new RegExp(`${NAMED.source}(?!\\s*(?:\\.|\\?|&&|\\)|[!=]=))`);

function runModule({ mounted, module: source }) {
  const script = document.createElement("script");
  for (const { name, value } of source.attributes) script.setAttribute(name, value);
  const text = source.textContent;
  script.text = text;
  if (NAMED.test(text) && !MAY_DECLARE.test(text)) {
    mounted.view ??= viewOf(mounted);
    window.__hfOwnHyperframes = ownHyperframes;
    script.text = `const __hyperframes = window.__hfOwnHyperframes[${ownHyperframes.push(mounted.view.__hyperframes) - 1}];${text}`;
  }
  script.async = false;
  document.body.append(script);
}

// A broken scene must not stop the others: its error is reported like any uncaught error, with its name.
function runScoped({ mounted, code }) {
  mounted.view ??= viewOf(mounted);
  const view = { ...mounted.view };
  for (const name of LIBRARIES) {
    if (window[name]) view[name] = mounted.view.window[name]; // a name that is not there must stay undefined
  }
  try {
    new Function(code); // alone first, so that a brace too many is an error and not an end of the function around it
    // Two functions: the script may declare names that the views have.
    const wrapped = `return function () { ${code}\n}\n//# sourceURL=${mounted.file ?? location.pathname.slice(1)}`;
    const [seen, values] = [Object.keys(view), Object.values(view)];
    const body = new Function(...seen, wrapped)(...values);
    theirs(() => apply(body, view.window, []));
  } catch (error) {
    const where = mounted.file === null ? "" : ` (${mounted.file})`;
    addProblem(`composition "${mounted.id}"${where}: ${inWords(error).split("\n", 2).join("")}`);
  }
}

function viewOf(mounted) {
  const find = finder(mounted);
  const own = {
    getVariables: () => structuredClone(window.__hfVariablesByComp[mounted.id] ?? {}),
    assetUrl: (url) => absolute(mounted.file === null ? url : rebase(url, mounted.file)),
  };
  const __hyperframes = viewThrough(window.__hyperframes, {
    get: (key) => (Object.hasOwn(own, key) ? { value: own[key] } : null),
  });
  const timelines = timelinesView(mounted);
  const view = {
    document: documentView(mounted, find),
    __hyperframes,
    __timelines: timelines,
    hyperframesAnime: animeRegistry(() => timelines, instanceId(mounted)),
  };
  const libraries = new WeakMap();
  view.window = viewThrough(window, {
    get: (key) => {
      if (Object.hasOwn(view, key)) return { value: view[key] };
      const library = LIBRARIES.includes(key) ? window[key] : null;
      if (Object(library) !== library) return null;
      if (!libraries.has(library)) libraries.set(library, libraryView(library, find));
      return { value: libraries.get(library) };
    },
    set(key, value) {
      if (key !== "__timelines") return false;
      if (value !== view.__timelines) Object.assign(view.__timelines, value);
      return true;
    },
  });
  view.self = view.globalThis = view.window;
  return view;
}

// A view of an object: what `get` gives, and everything else from the object itself, on which methods are called,
// because the browser's refuse any other `this`. Functions that can be constructed or carry properties stay as they
// are.
function viewThrough(object, { get, set = (_key, _value) => false }) {
  const bound = new WeakMap();
  return new Proxy(object, {
    get(_, key) {
      const own = get(key);
      if (own) return own.value;
      const value = Reflect.get(object, key, object);
      if (typeof value !== "function" || Object.hasOwn(value, "prototype") || Object.keys(value).length) return value;
      if (!bound.has(value)) bound.set(value, value.bind(object));
      return bound.get(value);
    },
    set: (_, key, value) => set(key, value) || Reflect.set(object, key, value, object),
  });
}

// Finds elements of the composition for a selector, or of the page if the composition has none.
function finder(mounted) {
  const { host, scope } = mounted;
  const composition = `:is(${scope}, ${boxOf(mounted)})`;
  const all = (selector) => {
    const mapped = mapAuthored(String(selector), mounted, composition);
    const inside = host.querySelectorAll(mapped);
    return inside.length ? inside : document.querySelectorAll(mapped);
  };
  const first = (selector) => {
    const mapped = mapAuthored(String(selector), mounted, composition);
    return host.querySelector(mapped) ?? document.querySelector(mapped);
  };
  return { all, first };
}

let contentLoaded = false;
document.addEventListener("DOMContentLoaded", () => (contentLoaded = true));

function documentView({ host, wrapper, rootId }, { all, first }) {
  const own = {
    querySelector: first,
    querySelectorAll: all,
    getElementById: (id) =>
      (wrapper && id === rootId && id !== "" ? wrapper : null) ??
      (id === "" ? null : host.querySelector(`#${CSS.escape(id)}`)) ??
      document.getElementById(id),
    // A script that had to wait for another one may come too late for this.
    addEventListener(name, listener, ...more) {
      document.addEventListener(name, listener, ...more);
      if (name !== "DOMContentLoaded" || !contentLoaded) return;
      native.setTimeout(() => (listener.handleEvent ?? listener).call(document, new Event(name)));
    },
  };
  return viewThrough(document, { get: (key) => (Object.hasOwn(own, key) ? { value: own[key] } : null) });
}

function instanceId({ id, declared }) {
  return (key) => (key === declared ? id : key);
}

// The registry under the composition's authored name, which other instances and the page may use too.
function timelinesView(mounted) {
  const rename = instanceId(mounted);
  const { host } = mounted;
  return new Proxy(window.__timelines, {
    get: (_, key) => registry()[rename(key)],
    has: (_, key) => rename(key) in registry(),
    set(_, key, value) {
      registry()[rename(key)] = value;
      const owner = compositionNamed(key);
      if (!owner || host.contains(owner)) registry()[key] = value;
      return true;
    },
  });
}

const TARGETED = ["to", "from", "fromTo", "set", "quickTo", "quickSetter", "killTweensOf", "getTweensOf"];

const LIBRARIES = ["gsap", "anime"];

function libraryView(library, find) {
  if (library === window.gsap) return gsapView(library, find);
  return library.createTimeline ? animeView(library, find) : library;
}

// Returns the composition's own elements for selector text; text that finds none is left to the library, which warns of it.
function targetsIn(all) {
  return function elements(targets) {
    if (Array.isArray(targets)) return targets.flatMap(elements);
    if (typeof targets !== "string") return targets;
    const found = [...all(targets)];
    return found.length ? found : targets;
  };
}

function gsapView(gsap, { all }) {
  const elements = targetsIn(all);
  const scoped = (object) => (name) => [name, (targets, ...rest) => object[name](elements(targets), ...rest)];
  const utils = {
    toArray: (targets, within, ...rest) => gsap.utils.toArray(within ? targets : elements(targets), within, ...rest),
    selector: (within) => {
      const inside = typeof within === "string" ? all(within)[0] : within;
      return inside ? gsap.utils.selector(inside) : (text) => [...all(text)];
    },
  };
  const own = {
    ...Object.fromEntries(TARGETED.map(scoped(gsap))),
    getProperty(target, ...rest) {
      return gsap.getProperty((typeof target === "string" && all(target)[0]) || target, ...rest);
    },
    // The timeline itself is GSAP's, for GSAP links timelines to each other; only its methods are replaced.
    timeline(...args) {
      const timeline = gsap.timeline(...args);
      for (const name of TARGETED.filter((method) => timeline[method])) {
        const method = timeline[name];
        timeline[name] = (targets, ...rest) => method.call(timeline, elements(targets), ...rest);
      }
      return timeline;
    },
    utils: new Proxy(gsap.utils, { get: (object, key) => (Object.hasOwn(utils, key) ? utils[key] : object[key]) }),
  };
  return new Proxy(gsap, { get: (object, key) => (Object.hasOwn(own, key) ? own[key] : object[key]) });
}

const ANIME_TARGETED = [
  ...["$", "animate", "cleanInlineStyles", "createAnimatable", "createDraggable", "createDrawable", "createLayout"],
  ...["createMotionPath", "get", "morphTo", "remove", "set", "split", "splitText"],
];

// anime.js 4. Its objects are frozen, so this is a copy of them.
function animeView(anime, { all }) {
  const elements = targetsIn(all);
  const scoped = (object, names) =>
    Object.fromEntries(
      names
        .filter((name) => typeof object[name] === "function")
        .map((name) => [name, (targets, ...rest) => object[name](elements(targets), ...rest)]),
    );
  const parts = ["svg", "text", "utils"].filter((name) => anime[name]);
  return {
    ...anime,
    ...scoped(anime, ANIME_TARGETED),
    ...Object.fromEntries(parts.map((name) => [name, { ...anime[name], ...scoped(anime[name], ANIME_TARGETED) }])),
    createTimeline(...args) {
      const timeline = anime.createTimeline(...args);
      for (const name of ["add", "set", "remove"]) {
        const method = timeline[name];
        timeline[name] = (targets, ...rest) => method.call(timeline, elements(targets), ...rest);
      }
      return timeline;
    },
  };
}
