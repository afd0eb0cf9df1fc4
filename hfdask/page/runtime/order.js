// Answers in the order in which they were asked for.
//
// Files come in whatever order disk, threads and load make of it, and a page that takes the first of them, or draws each as it comes,
// would be another page in each chunk. So what a page waits for by promises is handed out in the order of its questions: an
// answer waits for those before it. Neither the page nor a frame is ready before the last one.

const pendingAnswers = own(new Set());
let lastAnswer = Promise.resolve();
const later = (promise, done, failed = done) => apply(taken.then, promise, [done, failed]);

function inTurn(promise) {
  const turn = {};
  pendingAnswers.add(turn);
  later(promise, () => {}); // its failure belongs to the caller
  const answer = later(lastAnswer, () => promise);
  lastAnswer = later(answer, () => void pendingAnswers.delete(turn));
  return answer;
}

// What answers do when they come may ask for more, some promises later.
async function answersGiven() {
  await lastAnswer;
  await reactions();
}

// The runtime's own questions take no turn.
const networkFetch = window.fetch.bind(window);
const { load: loadFace } = FontFace.prototype;
const { decode: decodeImage } = HTMLImageElement.prototype;
const fromNetwork = own(new WeakSet()); // responses whose bodies nothing but the network fills

// The browser reports no rejection to a page whose error it has made itself, such as the SyntaxError of a response that is not JSON.
function throwAnew(error) {
  const anew =
    error instanceof DOMException ? new DOMException(error.message, error.name) : new error.constructor(error.message);
  anew.stack = error.stack;
  throw anew;
}

/** @param {(target: any) => boolean} applies */
function answerInOrder(object, name, applies = () => true, told = false) {
  const original = object?.[name];
  if (!original) return;
  override(object, {
    [name](...args) {
      const answer = apply(original, this, args);
      return applies(this) ? inTurn(told ? later(answer, (value) => value, throwAnew) : answer) : answer;
    },
  });
}

{
  const fetch = (...args) => {
    const note = (response) => {
      fromNetwork.add(response);
      return response;
    };
    return inTurn(apply(taken.then, networkFetch(...args), [note]));
  };
  define(window, "fetch", fetch);
}
for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
  answerInOrder(Response.prototype, name, (response) => fromNetwork.has(response), true);
}
for (const name of ["arrayBuffer", "bytes", "text"]) answerInOrder(Blob.prototype, name);
answerInOrder(window.OffscreenCanvas?.prototype, "convertToBlob");
answerInOrder(window, "createImageBitmap");
answerInOrder(HTMLImageElement.prototype, "decode", (image) => image.loading !== "lazy");
answerInOrder(FontFace.prototype, "load");
answerInOrder(document.fonts.constructor.prototype, "load");

const { addEventListener: listenFor } = EventTarget.prototype;
const madeScripts = own(new WeakSet()); // scripts that others have made, until they have run
// A script that another one adds runs in its place among them, unless its author says otherwise.
{
  const { createElement } = Document.prototype;
  override(Document.prototype, {
    createElement(...args) {
      const element = apply(createElement, this, args);
      if (element.localName === "script") {
        element.async = false;
        madeScripts.add(element);
        const ran = () => void madeScripts.delete(element);
        for (const name of ["load", "error"]) apply(listenFor, element, [name, ran, { once: true }]);
      }
      return element;
    },
  });
}

function waitingForAnswers() {
  const waits = childWindows().flatMap((child) => child.__hfdaskAnswers?.waiting() ?? []);
  if (pendingAnswers.size) waits.push("answers");
  if ([...askedWorkers.values()].some(({ open }) => open > 0)) waits.push("workers");
  return waits;
}

// For the frame above; the page cannot change it.
Object.defineProperty(window, "__hfdaskAnswers", { value: Object.freeze({ waiting: entering(waitingForAnswers) }) });
