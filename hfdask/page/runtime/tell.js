// What leaves the page: answers to the host are copied and measured here, with nothing that author code can replace
// (natives are taken before it runs, and no iterator is used), so the host never has to build what would fill its memory.

const MAX_TEXT = 2000; // of a sentence for people
const MAX_ANSWER = 32 * 1024 * 1024; // characters, and what else an answer is made of; a document may be megabytes long
const MAX_LEVELS = 40;
const MAX_MESSAGES = 1000; // of a console
const MAX_WORDS = 20; // of one message
const taken = {
  isArray: Array.isArray,
  keys: Object.keys,
  define: Reflect.defineProperty,
  apply: Reflect.apply,
  slice: Function.prototype.call.bind(String.prototype.slice),
  stringify: JSON.stringify,
  wellFormed: Function.prototype.call.bind(String.prototype.toWellFormed),
  String,
  Error,
  Promise,
  then: Promise.prototype.then,
};

function cut(text, most) {
  return text.length > most ? `${taken.slice(text, 0, most - 1)}\u2026` : text;
}

// Describes an error, or any other thrown value, which may throw again when it is read.
function inWords(thrown) {
  try {
    const text = taken.String(thrown?.stack ?? thrown);
    return cut(text === "[object Object]" ? taken.stringify(thrown) : text, MAX_TEXT);
  } catch {
    return "an error that cannot be shown";
  }
}

function tell(answer) {
  return copyOf(answer, { left: MAX_ANSWER }, 0);
}

function copyOf(value, budget, level) {
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "string") {
    budget.left -= value.length;
    if (budget.left < 0) throw new taken.Error(`an answer of the page is longer than ${MAX_ANSWER} characters`);
    return taken.wellFormed(value);
  }
  if (typeof value !== "object") return null; // a function, or nothing
  if (level > MAX_LEVELS) throw new taken.Error(`an answer of the page is nested more than ${MAX_LEVELS} levels deep`);
  const isList = taken.isArray(value);
  const names = isList ? null : taken.keys(value);
  const length = isList ? value.length : names.length;
  const copy = isList ? [] : { __proto__: null }; // it is not a promise, whatever the page adds to all objects
  for (let number = 0; number < length; number++) {
    budget.left -= 8;
    if (budget.left < 0) throw new taken.Error("an answer of the page has too many parts");
    const name = /** @type {any} */ (isList ? number : names[number]);
    if (!isList && value[name] === undefined) continue;
    const part = { __proto__: null, enumerable: true, configurable: true, writable: true };
    part.value = copyOf(value[name], budget, level + 1);
    if (!isList) budget.left -= name.length;
    taken.define(copy, isList ? name : taken.wellFormed(name), part);
  }
  return copy;
}

// A function for the host, whose answer is copied, and whose error is cut. The host waits for a promise by its `then`,
// which no page may answer for.
function told(ask) {
  return entering((argument) => {
    try {
      const answer = ask(argument);
      if (!(answer instanceof taken.Promise)) return tell(answer);
      const later = toldLater(answer);
      taken.define(later, "then", { __proto__: null, value: taken.then });
      return later;
    } catch (error) {
      return failure(error);
    }
  });
}

async function toldLater(answer) {
  try {
    return tell(await answer);
  } catch (error) {
    return failure(error);
  }
}

function failure(error) {
  return { __proto__: null, failed: inWords(error) };
}

// Each message of a console goes through the host, so there is an end to them.
let said = 0;
for (const name of taken.keys(console)) {
  const say = console[name];
  if (typeof say === "function") console[name] = { [name]: shortened(say) }[name];
}

function shortened(say) {
  return function () {
    if (said++ >= MAX_MESSAGES) return;
    const words = [];
    for (let number = 0; number < arguments.length && number < MAX_WORDS; number++) {
      words[number] = shortWord(arguments[number]);
    }
    taken.apply(say, console, words);
  };
}

function shortWord(value) {
  if (typeof value === "string") return cut(value, MAX_TEXT);
  return value instanceof taken.Error ? inWords(value) : value;
}
