// The browser's built-ins as they were before any script of the page ran.
//
// The runtime shares its realm with the page, which may replace any built-in: polyfills do so in good faith, and a page that lies
// could change the runtime's knowledge of it. So while the runtime's own code runs (`ours`), the page's changes are set aside,
// and while it calls the page's code (`theirs`), they are put back. Only names that the runtime's sources use are
// looked at (`config.names`), so a page that changes none of them costs a few microseconds at each crossing.
//
// Functions that the page calls at any time (the clock's functions, listeners) do not cross. They use collections that have
// their own methods (`own`). If the browser calls the page's code in the middle of the runtime's (a custom element's callback, a
// getter), its changes count from the next crossing on. This is not a protection against attacks; it keeps the runtime's state
// right.

const {
  apply,
  defineProperty: redefine,
  deleteProperty: drop,
  getOwnPropertyDescriptor: describeProperty,
  ownKeys,
} = Reflect;
const { hasOwn } = Object;
const findGetter = Object.prototype.__lookupGetter__;

// Names that the language itself reads, so they are in no source.
const UNNAMED = [
  "next",
  "return",
  "then",
  "constructor",
  "resolve",
  "exec",
  "flags",
  "lastIndex",
  "toString",
  "valueOf",
];
const names = new Set([...config.names, ...UNNAMED]);

// A literal's properties, so that a descriptor never takes any from `Object.prototype`.
function propertyOf(object, key) {
  const found = describeProperty(object, key);
  return found && { __proto__: null, ...found };
}

function define(object, name, value) {
  const enumerable = describeProperty(object, name)?.enumerable ?? false;
  redefine(object, name, { __proto__: null, value, enumerable, configurable: true, writable: true });
}

// Methods, as the browser's are: functions that can be constructed are not bound by views of scenes.
function override(object, methods) {
  for (const name of Object.keys(methods)) define(object, name, methods[name]);
}

const kept = []; // {object, key, value} or {object, key, get}, each with its `property`
let sealed = []; // {object, keys} of objects to which the page may add nothing that ours would see
let documentKeys = []; // what a document inherits, and a page may cover with a property of the document itself

// Called once, when the runtime has made its own changes.
function keepBuiltIns() {
  const iterables = [[], new Map(), new Set(), "", "".matchAll(/x/g)];
  const prototypes = iterables.map((each) => Object.getPrototypeOf(each[Symbol.iterator]()));
  const spaces = [Object, Array, Number, String, Promise, Map, Symbol, Reflect, Math, JSON, CSS, URL];
  const kinds = [
    ...[Object, Function, Array, String, Number, RegExp, Map, Set, WeakMap, WeakSet, Promise, Symbol, Error],
    ...[
      EventTarget,
      Node,
      Element,
      HTMLElement,
      SVGElement,
      SVGGraphicsElement,
      SVGSVGElement,
      SVGAnimationElement,
      Document,
    ],
    ...[
      DocumentFragment,
      CharacterData,
      Attr,
      NamedNodeMap,
      NodeList,
      HTMLCollection,
      DOMTokenList,
      TreeWalker,
      ShadowRoot,
    ],
    ...[HTMLImageElement, HTMLTemplateElement, HTMLScriptElement, HTMLLinkElement, HTMLStyleElement],
    ...[HTMLMediaElement, HTMLVideoElement],
    ...[
      CSSStyleDeclaration,
      CSSStyleSheet,
      StyleSheet,
      StyleSheetList,
      CSSRule,
      CSSStyleRule,
      CSSGroupingRule,
      CSSRuleList,
    ],
    ...[
      StylePropertyMapReadOnly,
      MutationObserver,
      MutationRecord,
      Animation,
      AnimationEffect,
      KeyframeEffect,
      FontFace,
    ],
    ...[
      document.fonts.constructor,
      Event,
      CustomEvent,
      ErrorEvent,
      PromiseRejectionEvent,
      DOMParser,
      XMLHttpRequest,
      URL,
    ],
    ...[Blob, Response, Performance, DataView, ArrayBuffer],
  ];
  for (const object of [...spaces, ...kinds.map((kind) => kind.prototype), ...prototypes, window]) {
    for (const key of ownKeys(object)) {
      if (typeof key === "symbol" || names.has(key)) keep(object, key);
    }
  }
  sealed = [Object.prototype, Array.prototype].map((object) => ({ object, keys: new Set(ownKeys(object)) }));
  const above = [Document.prototype, Node.prototype, EventTarget.prototype];
  documentKeys = kept.filter(({ object }) => above.includes(object)).map(({ key }) => key);
}

function keep(object, key) {
  const property = propertyOf(object, key);
  if (!property.configurable) return;
  const isOwn = typeof property.value === "function" || typeof property.get === "function";
  // On the window only the browser's properties: the page may replace the runtime's own.
  if (!isOwn || (object === window && !isNative(property.value ?? property.get))) return;
  if (property.get) kept.push({ object, key, get: property.get, property });
  else kept.push({ object, key, value: property.value, property });
}

function isNative(what) {
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(what));
}

function isAsKept({ object, key, value, get }) {
  try {
    return get === undefined ? object[key] === value : apply(findGetter, object, [key]) === get;
  } catch {
    return false; // a getter of the page's
  }
}

// Changes of the page, linked to each other: a list would need built-ins.
function setAside() {
  let changes = null;
  for (let i = 0; i < kept.length; i++) {
    const { object, key, property } = kept[i];
    if (isAsKept(kept[i])) continue;
    const change = { __proto__: null, object, key, property: propertyOf(object, key), next: changes };
    if (redefine(object, key, property)) changes = change;
    else tellLocked(key);
  }
  for (let i = 0; i < sealed.length; i++) changes = removeAdded(sealed[i], changes);
  for (let i = 0; i < documentKeys.length; i++) {
    if (hasOwn(document, documentKeys[i])) changes = remove(document, documentKeys[i], changes);
  }
  return changes;
}

function remove(object, key, changes) {
  const property = propertyOf(object, key);
  return drop(object, key) ? { __proto__: null, object, key, property, next: changes } : changes;
}

// Every plain object has what is on `Object.prototype`, and every hole of a list the numbers of `Array.prototype`; other
// names there do no harm.
function removeAdded({ object, keys }, changes) {
  const now = ownKeys(object);
  if (now.length === keys.size) return changes;
  for (let i = 0; i < now.length; i++) {
    const key = now[i];
    if (keys.has(key) || (object === Array.prototype && !/^\d+$/.test(String(key)))) continue;
    const before = changes;
    changes = remove(object, key, changes);
    if (changes === before) tellLocked(key);
  }
  return changes;
}

function putBack(changes) {
  for (let at = changes; at !== null; at = at.next) {
    if (at.property) redefine(at.object, at.key, at.property);
    else drop(at.object, at.key);
  }
}

let locked = false;
function tellLocked(key) {
  if (!locked) addProblem(`a script has replaced ${String(key)}, a built-in that the render needs, and locked it`);
  locked = true;
}

let inside = false;
let aside = null;

// Runs code of the runtime.
function ours(action) {
  if (inside) return action();
  aside = setAside();
  inside = true;
  try {
    return action();
  } finally {
    inside = false;
    putBack(aside);
    aside = null;
  }
}

// Runs code of the page from within ours.
let calls = 0; // of code of the page
function theirs(action) {
  calls++;
  if (!inside) return action();
  inside = false;
  putBack(aside);
  aside = null;
  try {
    return action();
  } finally {
    aside = setAside();
    inside = true;
  }
}

// Wraps a function of the runtime that other code calls.
function entering(action) {
  return (...args) => ours(() => action(...args));
}

// A collection that carries its methods, so that it needs no prototype.
function own(collection) {
  for (const key of ownKeys(Object.getPrototypeOf(collection))) {
    const { value } = describeProperty(Object.getPrototypeOf(collection), key);
    if (typeof value === "function") redefine(collection, key, { __proto__: null, value });
  }
  return collection;
}
