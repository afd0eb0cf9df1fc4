// A sub-composition's styles apply to it alone (docs/compositions.md, 4.5).
//
// Rules are parsed by the browser and only their selectors are changed, in the live sheet. Writing a sheet out and
// parsing it again would lose declarations: the browser cannot write a shorthand with var() of which a part is
// overridden.

function addScopedStyle(source, mounted) {
  const style = document.createElement("style");
  style.setAttribute("data-hf-scoped", mounted.id);
  if (source.getAttribute("media")) style.media = source.getAttribute("media");
  const css = source.textContent;
  style.textContent = mounted.file === null ? css : rewriteUrls(css, (url) => rebase(url, mounted.file));
  document.head.append(style);
  if (style.sheet) scopeRules(style.sheet.cssRules, mounted);
}

const URLS =
  /((?:url\(|@import\b)\s*)(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')|(url\(\s*)((?:[^"'()\s\\]|\\.)+)(?=\s*\))/gis;

function rewriteUrls(css, rewrite) {
  return css.replace(URLS, (_, before, double, single, bare, url) => {
    if (url !== undefined) return bare + rewrite(url);
    const quoted = (double ?? single).replace(/\\([^0-9a-f\n])/gi, "$1"); // not escapes by numbers, which no file name needs
    return `${before}"${rewrite(quoted).replace(/"/g, '\\"')}"`;
  });
}

// Nested rules follow the rule they are in; keyframes, fonts and imports have no selectors.
function scopeRules(rules, mounted) {
  for (const rule of rules) {
    if (rule instanceof CSSStyleRule) rule.selectorText = scopeSelector(rule.selectorText, mounted);
    else if (rule instanceof CSSGroupingRule) scopeRules(rule.cssRules, mounted);
  }
}

function scopeSelector(text, mounted) {
  return splitSelector(text, ",")
    .flatMap((part) => scopeComplex(part.trim(), mounted))
    .join(", ");
}

// In a sub-composition, `body` means its wrapper, or the host if there is no wrapper.
function boxOf({ scope, wrapper, isChild }) {
  return wrapper ? `${scope}${isChild ? " > " : " "}[data-hf-inner-root]` : `${scope}${scope}`;
}

function scopeComplex(selector, mounted) {
  if (selector === "*") return [selector];
  const { scope, wrapper } = mounted;
  const page = withoutPage(selector);
  if (page !== null) return [boxOf(mounted) + page];
  const [first] = splitSelector(selector, " ");
  const own = compositionSelector(mounted);
  if (first.search(own) < 0) {
    const mapped = mapAuthored(selector, mounted);
    return [`${scope} ${mapped.startsWith("[data-hf-authored-id=") ? withoutTiming(mapped) : mapped}`];
  }
  const [, tag, others] = /^([\w-]*)(.*)$/s.exec(first.replace(own, ""));
  const rest = withoutTiming(others) + (tag ? `:is(${tag})` : "");
  const tail = mapAuthored(selector.slice(first.length), mounted);
  if (rest === "" && tail === "") return [boxOf(mounted)];
  const direct = `${scope}${rest}${tail}`;
  // Selectors of the inner root itself, by its class or as its child, now select the wrapper.
  return wrapper && (rest !== "" || /^\s*[>+~]/.test(tail)) ? [direct, `${boxOf(mounted)}${rest}${tail}`] : [direct];
}

// Returns the rest of a selector after a leading html, body or :root, or null without one; `html body` is one box, too.
function withoutPage(selector) {
  const match = /^(?:html|body|:root)(?![\w-])(?:\s*>?\s*(?:html|body)(?![\w-]))*/i.exec(selector);
  return match ? selector.slice(match[0].length) : null;
}

function compositionSelector({ authored }) {
  return new RegExp(`\\[\\s*data-composition-id\\s*=\\s*(["']?)${escapePattern(authored)}\\1\\s*\\]`, "g");
}

// Selectors of a file, with the names that its root has once it is mounted.
function mapAuthored(selector, mounted, composition = mounted.scope) {
  const renamed = selector.replace(compositionSelector(mounted), () => composition);
  if (!mounted.rootId) return renamed;
  const id = new RegExp(`#${escapePattern(CSS.escape(mounted.rootId))}(?![\\w\\\\-]|[^\\0-\\x7f])`, "g");
  return renamed.replace(id, () => `[data-hf-authored-id="${CSS.escape(mounted.rootId)}"]`);
}

// The first compound without attributes that a wrapper has lost.
function withoutTiming(selector) {
  const [first] = splitSelector(selector, " ");
  return first.replace(/\[data-(?:start|duration)(?:[~|^$*]?=[^\]]*)?\]/g, "") + selector.slice(first.length);
}

function escapePattern(text) {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}

// Splits at a separator outside of brackets, strings and escapes. Selectors come as the browser writes them, with one
// space around each combinator.
function splitSelector(text, separator) {
  const parts = [""];
  let depth = 0;
  for (const [token] of text.matchAll(/\\.|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[\s\S]/g)) {
    if ("([".includes(token)) depth++;
    if (")]".includes(token)) depth--;
    if (token === separator && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}
