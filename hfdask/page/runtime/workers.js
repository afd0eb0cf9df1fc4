// Workers that the page asks. While it loads, a worker is waited for until it has answered as often; some never answer, and the host gives up on
// those. A frame of the video waits in the same way for a worker that owes no answer to earlier frames. It does not wait long for the first answer of
// all, and for further ones when one has come: not each question has an answer. A worker with a canvas draws, and need not answer.

const askedWorkers = own(new Map()); // worker -> {open, owed, hasAnswered, draws, end, doubt}
const askedAt = own(new Map()); // times of questions to workers without an answer or a failure
const DOUBT = 2000; // milliseconds

// Return what is known of a worker: `open` and `owed` are questions without an answer, since the page and since the video began.
function askedOf(worker) {
  const known = askedWorkers.get(worker);
  if (known) return known;
  const asked = { open: 0, owed: 0, hasAnswered: false, draws: false, end: () => {}, doubt: 0 };
  askedWorkers.set(worker, asked);
  const answered = () => {
    askedAt.delete(worker);
    asked.hasAnswered = true;
    asked.open = Math.max(0, asked.open - 1);
    asked.owed = Math.max(0, asked.owed - 1);
    native.clearTimeout(asked.doubt);
    if (asked.owed === 0) asked.end();
    else asked.doubt = native.setTimeout(asked.end, DOUBT);
  };
  apply(listenFor, worker, ["message", answered]);
  apply(listenFor, worker, ["error", () => void askedAt.delete(worker)]);
  return asked;
}

function isCanvas(transferred) {
  return transferred instanceof window.OffscreenCanvas;
}

{
  const { postMessage, terminate } = Worker.prototype;
  override(Worker.prototype, {
    postMessage(...args) {
      const asked = askedOf(this);
      const transferred = args[1]?.transfer ?? args[1];
      asked.draws ||= Array.isArray(transferred) && transferred.some(isCanvas);
      asked.open++;
      askedAt.set(this, native.now());
      if (begun && asked.owed++ === 0 && (asked.hasAnswered || !asked.draws)) {
        asked.end = expect(this, ["error"], asked.hasAnswered ? PATIENCE : DOUBT);
      }
      return apply(postMessage, this, args);
    },
    terminate() {
      askedWorkers.get(this)?.end();
      askedWorkers.delete(this);
      return apply(terminate, this, []);
    },
  });
}
