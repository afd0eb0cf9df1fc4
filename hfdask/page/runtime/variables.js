// Variables: what compositions declare, overlaid with the values that the render or the host gives, for scripts, styles
// and elements (docs/compositions.md, 5).

const DECLARES = "[data-composition-variables]";

function declarationsOf(carrier) {
  const declared = jsonOf(carrier, "data-composition-variables");
  return (Array.isArray(declared) ? declared : []).filter((item) => item && typeof item.id === "string");
}

function jsonOf(element, name) {
  const text = element.getAttribute(name);
  try {
    return text === null ? null : JSON.parse(text);
  } catch (error) {
    warn(`${name} of ${describe(element)} is not JSON: ${error.message}`);
    return null;
  }
}

// Returns the values that a host gives to its instance of a sub-composition.
function givenValues(host) {
  const given = jsonOf(host, "data-variable-values");
  if (given === null || (typeof given === "object" && !Array.isArray(given))) return given ?? {};
  warn(`data-variable-values of ${describe(host)} is not a JSON object; it is ignored`);
  return {};
}

function variables() {
  const values = {};
  for (const carrier of document.querySelectorAll(DECLARES)) {
    for (const item of declarationsOf(carrier)) values[item.id] = item.default;
  }
  return Object.assign(values, structuredClone(config.variables));
}

// Returns the values that an element sees, of its instance or else of the page, and the names of the values that were given, not only
// declared.
function seenBy(element, page) {
  const mounted = mountAround(element);
  return mounted ? { values: window.__hfVariablesByComp[mounted.id], given: mounted.given } : page;
}

let defaults = []; // what the last call wrote: the page's own styles come and go while it loads, and win

// Applied whenever the page has grown; doing it again changes nothing.
function applyVariables() {
  const carriers = [...document.querySelectorAll(DECLARES)];
  const bindings = [...document.querySelectorAll("[data-var-text],[data-var-src]")];
  const given = Object.keys(config.variables).length > 0;
  if (!document.body || !(given || carriers.length || bindings.length || mounts.length)) return;
  const page = { values: variables(), given: config.variables };
  for (const { scope, name, text } of defaults) {
    if (scope.style.getPropertyValue(name) === text) scope.style.removeProperty(name);
  }
  defaults = [];
  const top = findRoot();
  for (const { id, host, wrapper, given } of mounts) {
    for (const [name, value] of Object.entries(window.__hfVariablesByComp[id])) {
      const isGiven = Object.hasOwn(given, name);
      for (const scope of isGiven && wrapper ? [host, wrapper] : [host]) {
        assignProperty(`--${slug(name)}`, value, scope, isGiven, () => isAuthored(`--${slug(name)}`));
      }
    }
  }
  for (const carrier of carriers) {
    const { values, given } = seenBy(carrier, page);
    for (const { id } of declarationsOf(carrier)) {
      // The whole page may use what the root declares.
      const scopes = carrier === top ? [document.documentElement, carrier] : [carrier];
      for (const scope of scopes) {
        const name = `--${slug(id)}`;
        assignProperty(name, values[id], scope, Object.hasOwn(given, id), () => isDefined(name, scope));
      }
    }
  }
  for (const scope of new Set([...document.querySelectorAll(COMPOSITION), stage()])) {
    for (const [id, value] of Object.entries(seenBy(scope, page).values)) assignProperty(`--${id}`, value, scope, true);
  }
  for (const element of bindings) if (isClosed(element)) bindAttributes(element, page);
}

// A given value always wins; a default wins only if no author has defined the property.
function assignProperty(name, value, scope, isGiven, isTaken) {
  const text = cssText(value);
  if (text === "" || (!isGiven && isTaken())) return;
  if (scope.style.getPropertyValue(name) !== text) scope.style.setProperty(name, text);
  if (!isGiven) defaults.push({ scope, name, text: scope.style.getPropertyValue(name) });
}

function isDefined(name, scope) {
  return getComputedStyle(scope).getPropertyValue(name) !== "";
}

function isAuthored(name) {
  const definition = new RegExp(`(?<![\\w-])${escapePattern(name)}\\s*:`);
  return [...document.querySelectorAll("style")].some((style) => definition.test(style.textContent));
}

function stage() {
  return (
    document.querySelector("[data-hf-root]") ??
    document.getElementById("stage") ??
    document.body.firstElementChild ??
    document.body
  );
}

function slug(id) {
  return id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

function cssText(value) {
  const scalar = value && typeof value === "object" ? value.name : value;
  if (!["string", "number", "boolean"].includes(typeof scalar)) return "";
  return String(scalar)
    .replace(/[;{}<>\r\n]/g, "")
    .trim();
}

// Each value is bound once: a script may have split the text into spans since.
const boundValues = new WeakMap();

function bindAttributes(element, page) {
  const values = { ...page.values, ...seenBy(element, page).values };
  const text = values[element.getAttribute("data-var-text")];
  const source = values[element.getAttribute("data-var-src")];
  const url = source && typeof source === "object" ? source.url : source;
  const state = JSON.stringify([text, url]);
  if (boundValues.get(element) === state) return;
  boundValues.set(element, state);
  if (["string", "number", "boolean"].includes(typeof text)) setOwnText(element, String(text));
  if (typeof url !== "string" || !element.matches("img,video,audio,source")) return;
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1].toLowerCase();
  const allowed = !scheme || ["http", "https", "blob"].includes(scheme) || /^\s*data:image\//i.test(url);
  if (!allowed)
    warn(`the value of ${describe(element)}'s data-var-src is not the URL of a picture or sound; it is ignored`);
  else if (element.getAttribute("src") !== url) element.setAttribute("src", url);
}

function setOwnText(element, text) {
  const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  if (own.length === 1 && own[0].data === text) return;
  const [first, ...others] = own;
  for (const node of others) node.remove();
  if (first) first.data = text;
  else element.prepend(text);
}

const VALUE_TYPES = {
  string: (value) => typeof value === "string",
  color: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  font: (value) => typeof value === "string" || typeof value?.name === "string",
  image: (value) => typeof value === "string" || typeof value?.url === "string",
};

// Returns the problems of the render's values.
function variableProblems() {
  const items = [...document.querySelectorAll(DECLARES)].flatMap(declarationsOf);
  const declared = new Map(items.map((item) => [item.id, item]));
  const found = [];
  for (const [id, value] of Object.entries(config.variables)) {
    const item = declared.get(id);
    const options = item?.type === "enum" && Array.isArray(item.options) ? item.options : null;
    if (!item) found.push(`variable "${id}" is not declared by the composition`);
    else if (VALUE_TYPES[item.type]?.(value) === false) found.push(`variable "${id}" should be of type ${item.type}`);
    else if (options && !options.some((option) => option?.value === value)) {
      const known = options.map((option) => JSON.stringify(option?.value)).join(", ");
      found.push(`variable "${id}" has no option ${JSON.stringify(value)}; it has ${known}`);
    }
  }
  return found;
}

function warnOfEqualSlugs() {
  for (const carrier of document.querySelectorAll(DECLARES)) {
    const bySlug = Map.groupBy(new Set(declarationsOf(carrier).map(({ id }) => id)), slug);
    for (const [name, ids] of bySlug) {
      if (ids.length > 1) warn(`variables ${ids.join(" and ")} of ${describe(carrier)} share the property --${name}`);
    }
  }
}
