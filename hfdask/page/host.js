// The host of a composition whose pictures are taken from a canvas (docs/decisions/canvas-capture.md).
//
// An empty document of the composition's origin has a canvas, and the composition is in a frame inside of the canvas. The browser
// does not draw such a frame itself, but it fires an event when the drawing has changed, and gives a recording of it, which a worker draws
// into the canvas. The recording is drawn as a whole, whatever was drawn before.
//
// The host walks through the frames by itself. As soon as the picture of one frame is taken, it brings the page to the next one. A frame that
// changes takes one message of the DevTools protocol, which requests a frame of the compositor; a frame that does not change takes none, unless
// code of the page has run in it. The other side reads from the slots' file what became of each (hfdask/browser/walk.py).
//
// The composition is of the same origin, so it can reach this window. So nothing here is global, and what is used of the
// browser is taken before the composition is loaded.

function openHost({ entry, page, width, height, rows, workers, slots, notes: places }) {
  const { apply } = Reflect;
  const { requestAnimationFrame } = window;
  const prototype = /** @type {any} */ (HTMLCanvasElement.prototype);
  const { requestPaint, captureElementImage, transferControlToOffscreen } = prototype;
  if (!requestPaint || !captureElementImage) throw new Error("this browser cannot draw elements into a canvas");
  const { postMessage } = Worker.prototype;
  const data = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data").get;
  const windowOf = Object.getOwnPropertyDescriptor(HTMLIFrameElement.prototype, "contentWindow").get;

  const canvas = document.createElement("canvas");
  canvas.setAttribute("layoutsubtree", "");
  canvas.width = width;
  canvas.height = height;
  const frame = document.createElement("iframe");
  frame.referrerPolicy = "no-referrer";
  for (const element of [canvas, frame]) {
    element.style.cssText = `position:absolute;left:0;top:0;border:0;width:${page.width}px;height:${page.height}px`;
  }
  document.documentElement.style.overflow = "hidden";
  document.body.style.margin = "0";
  frame.style.background = "#fff"; // as behind a page without a background
  document.body.append(canvas);

  let wanted = null; // {number, index} of the picture that the next paint event is for; `index` only in a walk
  let isNeeded = false; // true if a paint event has been asked for that picture
  let isStale = false; // true if the drawing has changed since the last picture, and none was wanted
  let painted = 0; // number of the last picture that was handed to the worker
  let failure = "";

  const offscreen = apply(transferControlToOffscreen, canvas, []);
  // Start a worker, and return it with a promise of what it has opened.
  function start(name, source) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    const opened = new Promise((done) => {
      worker.addEventListener("message", (event) => {
        const { failed, opened: made } = apply(data, event, []);
        if (failed) failure ||= failed;
        done(made);
      });
      worker.addEventListener("error", (event) => {
        failure ||= `the worker for ${name} failed: ${event.message}`;
        done(null);
      });
    });
    return { worker, opened };
  }

  const [pictures, notes] = [start("pictures", workers.pictures), start("notes", workers.notes)];
  apply(postMessage, pictures.worker, [{ open: { canvas: offscreen, ...slots } }, [offscreen]]);
  async function open() {
    const handle = await pictures.opened;
    if (handle) {
      apply(postMessage, notes.worker, [{ open: { handle, ...places } }]);
      await notes.opened;
    }
    return failure;
  }

  canvas.addEventListener("paint", () => {
    if (wanted === null || isHeld) {
      isStale = true;
      return;
    }
    const { number, index } = wanted;
    const slot = (number - 1) % slots.count;
    wanted = null;
    isNeeded = isStale = false;
    try {
      const image = apply(captureElementImage, canvas, [frame]);
      const looks = index === undefined ? undefined : walk.looks[index];
      if (index !== undefined && !looks) leave(index, TAKEN);
      apply(postMessage, pictures.worker, [{ draw: { number, slot, rows, image } }, [image]]);
      if (looks) lookAt(walk, index, looks);
    } catch (error) {
      failure ||= String(error);
    }
    painted = number;
  });

  // Take a picture at the next paint event. There is one if the drawing has changed, and in any case if `must` is true.
  function arm(number, must, index) {
    wanted = { number, index };
    isNeeded = must || isStale;
    if (isNeeded) apply(requestPaint, canvas, []);
    return isNeeded;
  }

  // What becomes of a frame of the walk: it waits for a frame of the compositor; it is as the one before; its picture was
  // taken; the other side has to go on with it, because the page asks for something, or must be displayed from here on.
  const [READY, SAME, TAKEN, ASKS, SHOWS] = [1, 2, 3, 4, 5];
  const STAYS = 8; // the walk stays there until the other side lets it go on
  const MOST_SAME = 32; // frames without a word from the other side

  // Looks at a frame whose picture was taken: at everything, or at its text.
  const [ALL, TEXT] = [1, 2];

  let walk = null; // {id, next, end, shows, always, must, looks}
  let noted = -8; // the last frame with a note, times eight, and what it says
  let asked = null; // the page's answer to the frame that the other side goes on with
  let isHeld = false; // true while frames of the compositor are requested for something else
  let isStaying = false;
  let same = 0; // frames that did not change since the other side was needed

  // Tasks of this window. Each frame is a task, so that everything that its scripts do in promises is done before the next one.
  const turns = new MessageChannel();
  const post = turns.port2.postMessage.bind(turns.port2);
  const actions = { __proto__: null };
  let posted = 0;
  turns.port1.onmessage = (event) => {
    const number = apply(data, event, []);
    const action = actions[number];
    delete actions[number];
    return action();
  };
  function soon(action) {
    actions[++posted] = action;
    post(posted);
  }

  function note(index, code) {
    noted = index * 8 + (code % 8);
    apply(postMessage, notes.worker, [{ index, word: (index * 16 + walk.id) * 16 + code }]);
  }

  function goToNext() {
    const mine = walk;
    soon(() => advance(mine));
  }

  async function advance(mine) {
    if (walk !== mine || mine.next >= mine.end) return;
    const { shows, always, must } = mine;
    const index = mine.next++;
    mine.must = false;
    wanted = null;
    try {
      const runtime = apply(windowOf, frame, []).__hfdask;
      const answer = await runtime.frame(index);
      if (walk !== mine) return;
      const { failed, problems, changed, observed, late, text } =
        typeof answer === "object" ? answer : { changed: answer };
      const draws = !runtime.drawsNothing();
      const asks = failed !== undefined || problems?.length || observed || late;
      if (asks || (draws && !shows)) {
        asked = answer;
        note(index, asks ? ASKS : SHOWS);
        return;
      }
      if (text) mine.looks[index] ??= TEXT;
      if (!arm(painted + 1, always || must || changed === true, index) && !draws && !runtime.hasRun()) {
        leave(index, SAME);
        return;
      }
      same = 0;
      note(index, READY);
      watch();
    } catch (error) {
      failure ||= String(error);
      if (walk === mine) note(index, ASKS);
    }
  }

  // Only a paint event reports a canvas that a script drew on, and changes by scripts that change nothing of the document. If there was none,
  // the frame is unchanged.
  function watch() {
    if (isNeeded || wanted === null) return;
    const unchanged = wanted.index;
    const look = () => {
      if (!isHeld && !isNeeded && wanted?.index === unchanged) leave(unchanged, SAME);
    };
    apply(requestAnimationFrame, window, [() => soon(look)]);
  }

  function leave(index, code, stays = false) {
    wanted = null;
    if (code === SAME) same++;
    else same = 0;
    isStaying = stays || same >= MOST_SAME;
    note(index, code + (isStaying ? STAYS : 0));
    if (!isStaying) goToNext();
  }

  // Stay at a frame if the other side has something to ask about.
  function lookAt(mine, index, looks) {
    soon(() => {
      if (walk !== mine) return;
      let answer;
      try {
        answer = apply(windowOf, frame, []).__hfdask.hasNews(looks === ALL);
        if (answer.failed) failure ||= answer.failed;
      } catch (error) {
        failure ||= String(error);
      }
      leave(index, TAKEN, answer !== false);
    });
  }

  return {
    open,
    load() {
      frame.src = entry;
      canvas.append(frame);
      frame.focus();
    },
    arm,
    // Draw this number of rows at a time.
    drawBy(number) {
      rows = number;
    },
    // Walk through frames, and return the number of pictures that were taken before. Return null if one is still to be taken.
    // `shows` says that the page is displayed in each frame. At the frames in `looks` the walk stays if there is something new.
    walk({ looks, ...given }) {
      if (isNeeded && wanted.index === undefined) return null;
      walk = { ...given, looks: { __proto__: null } };
      for (let at = 0; at < looks.length; at++) walk.looks[looks[at]] = ALL;
      wanted = null;
      isNeeded = isHeld = isStaying = false;
      noted = -8;
      same = 0;
      goToNext();
      return painted;
    },
    // Take no picture until the walk goes on.
    hold() {
      isHeld = true;
    },
    // It goes on; return why it cannot.
    goOn() {
      isHeld = false;
      same = 0;
      if (isStaying) {
        isStaying = false;
        goToNext();
      } else if (wanted !== null) {
        arm(wanted.number, isNeeded, wanted.index);
        watch();
      }
      return failure;
    },
    // The last note may not be in the file yet.
    noted: () => noted,
    // End the walk at a frame that the other side goes on with, and return the page's answer.
    leave() {
      walk = wanted = null;
      isHeld = false;
      return asked;
    },
    // Seek, and arm if the page is ready for its picture. Nothing is sought before the picture of the frame before is taken.
    async seek(asked, number, must) {
      if (isNeeded) return { unpainted: true };
      wanted = walk = null;
      isHeld = false;
      const runtime = apply(windowOf, frame, []).__hfdask;
      const answer = await runtime.frame(asked);
      const { changed, observed, late } = typeof answer === "object" ? answer : { changed: answer };
      const isReady = !observed && !late;
      const needed = isReady && arm(number, must || changed === true);
      return { answer, armed: isReady, needed, plain: needed && runtime.drawsNothing() };
    },
    // Whether the picture of this number was taken. If it was not, and it was not needed, it is not wanted any more. A walk may be further.
    isPainted(number) {
      if (!isNeeded && wanted?.index === undefined) wanted = null;
      return painted >= number;
    },
    failure: () => failure,
  };
}
