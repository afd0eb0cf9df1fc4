// Keeps the work that the page has started and not finished. While there is any, a missing root or timeline may still come. The host
// knows of requests. Work that repeats without end is not part of the set-up, so nothing waits for it.

const MANY_FIRED = 30; // timers: those set after this number repeat without end
const LONG_SINCE = 10_000; // milliseconds; work that begins later is not part of the set-up
const REPEATED = 5000; // milliseconds that intervals and workers are waited for

// Answers of the browser that take time without a request or a timer. The page gets the promise behind our step, so that it still
// gets events of rejections that it does not handle, and only of these.
const works = own(new Map()); // number -> {name, since, isTask}
const tasks = window.Scheduler?.prototype;
let nextWork = 1;
function watchWork(object, names) {
  for (const name of names) {
    const start = object?.[name];
    if (typeof start !== "function") continue;
    override(object, {
      [name](...args) {
        const promise = apply(start, this === undefined ? window : this, args);
        if (!(promise instanceof taken.Promise)) return promise;
        const work = nextWork++;
        const isTask = object === tasks && !(args[1]?.delay > 0 || args[1]?.priority === "background");
        works.set(work, { name: `${name}()`, since: native.now(), isTask });
        return apply(whenEnded, promise, [() => void works.delete(work)]);
      },
    });
  }
}
const whenEnded = Promise.prototype.finally;
const functionsOf = (object) =>
  Object.keys(object).filter((name) => typeof describeProperty(object, name).value === "function");
watchWork(window, ["createImageBitmap"]);
watchWork(Blob.prototype, ["arrayBuffer", "bytes", "text"]);
watchWork(Response.prototype, ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]);
watchWork(HTMLImageElement.prototype, ["decode"]);
watchWork(WebAssembly, ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]);
watchWork(window.BaseAudioContext?.prototype, ["decodeAudioData"]);
watchWork(window.OfflineAudioContext?.prototype, ["startRendering"]);
watchWork(tasks, ["postTask", "yield"]);
if (window.SubtleCrypto) watchWork(SubtleCrypto.prototype, functionsOf(SubtleCrypto.prototype));

// In words, and whether any of it may end in time.
function pendingWork() {
  const now = native.now();
  const pending = own(new Set());
  let mayEnd = false;
  const add = (name, ends) => {
    pending.add(name);
    mayEnd ||= ends;
  };
  for (const { delay, repeats, idle, since, after } of timers.values()) {
    if (idle) continue;
    if (after > MANY_FIRED || since > LONG_SINCE || (repeats && (fired > MANY_FIRED || now - since > REPEATED)))
      continue;
    add(`${repeats ? "an interval" : "a timer"} of ${delay} ms`, since + delay < config.patience);
  }
  for (const { name, since } of works.values()) if (since < LONG_SINCE) add(name, true);
  for (const since of askedAt.values()) if (now - since < REPEATED && since < LONG_SINCE) add("a worker", true);
  return { pending: few([...pending].sort()), mayEnd };
}

// Tasks of this frame that have not run yet: of messages that the page sends to itself, and of its scheduler.
const hasTasks = () => [...works.values()].some(({ isTask }) => isTask);
const messagesPending = () => takeSent() || expectsMessages() || hasTasks();

// Messages that cause each other without end are not waited for any longer.
const MAX_TURNS = 1000;
async function messagesArrived() {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    await reactions();
    if (!ours(() => takeSent() || hasTasks())) return;
  }
}
