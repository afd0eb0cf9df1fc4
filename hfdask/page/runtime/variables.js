// Variables: what a composition declares, overlaid with the render's values, for scripts, styles and elements (1.8).

const DECLARES = "[data-composition-variables]";

function declarationsOf(carrier) {
  let declared = null;
  try {
    declared = JSON.parse(carrier.getAttribute("data-composition-variables"));
  } catch (error) {
    warn(`data-composition-variables of ${describe(carrier)} is not JSON: ${error.message}`);
  }
  return (Array.isArray(declared) ? declared : []).filter((item) => item && typeof item.id === "string");
}

function variables() {
  const values = {};
  for (const carrier of document.querySelectorAll(DECLARES)) {
    for (const item of declarationsOf(carrier)) values[item.id] = item.default;
  }
  return Object.assign(values, structuredClone(config.variables));
}

// Applied when the document is there and once more when its scripts have run; doing it again changes nothing.
function applyVariables() {
  const values = variables();
  const carriers = [...document.querySelectorAll(DECLARES)];
  for (const carrier of carriers) {
    for (const { id } of declarationsOf(carrier)) {
      // The whole page may use what the root declares.
      const scopes = carrier === root ? [document.documentElement, carrier] : [carrier];
      for (const scope of scopes) assign(`--${slug(id)}`, values[id], scope, Object.hasOwn(config.variables, id));
    }
  }
  for (const scope of new Set([...document.querySelectorAll(COMPOSITION), stage()])) {
    for (const [id, value] of Object.entries(values)) assign(`--${id}`, value, scope, true);
  }
  for (const element of document.querySelectorAll("[data-var-text],[data-var-src]")) bindAttributes(element, values);
  checkOverrides(carriers.flatMap(declarationsOf));

  // An override always wins, a default only where no author defined the property.
  function assign(name, value, scope, always) {
    const text = cssText(value);
    if (text === "" || !(always || getComputedStyle(scope).getPropertyValue(name) === "")) return;
    scope.style.setProperty(name, text);
  }
}

function stage() {
  return document.querySelector("[data-hf-root]") ?? document.getElementById("stage") ?? document.body.firstElementChild
    ?? document.body;
}

function slug(id) {
  return id.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

function cssText(value) {
  const scalar = value && typeof value === "object" ? value.name : value;
  if (!["string", "number", "boolean"].includes(typeof scalar)) return "";
  return String(scalar).replace(/[;{}<>\r\n]/g, "").trim();
}

function bindAttributes(element, values) {
  const text = values[element.getAttribute("data-var-text")];
  if (["string", "number", "boolean"].includes(typeof text)) setOwnText(element, String(text));
  const source = values[element.getAttribute("data-var-src")];
  const url = source && typeof source === "object" ? source.url : source;
  if (typeof url !== "string" || !element.matches("img,video,audio,source")) return;
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1].toLowerCase();
  const allowed = !scheme || ["http", "https", "blob"].includes(scheme) || /^\s*data:image\//i.test(url);
  if (!allowed) warn(`the value of ${describe(element)}'s data-var-src is no URL of a picture or sound; it is ignored`);
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

function checkOverrides(declarations) {
  const byId = new Map(declarations.map((item) => [item.id, item]));
  const kinds = { string: "string", color: "string", number: "number", boolean: "boolean" };
  for (const [id, value] of Object.entries(config.variables)) {
    const item = byId.get(id);
    const options = item?.type === "enum" && Array.isArray(item.options) ? item.options : null;
    if (!item) warn(`variable "${id}" is not declared by the composition`);
    else if (kinds[item.type] && typeof value !== kinds[item.type]) warn(`variable "${id}" should be a ${item.type}`);
    else if (options && !options.some((option) => option?.value === value)) warn(`variable "${id}" has no such option`);
  }
}
