// The host of a composition whose pictures are taken from a canvas (docs/decisions/canvas-capture.md).
//
// An empty document of the composition's origin has a canvas, and the composition is in a frame inside of the canvas. The browser
// does not draw such a frame itself, but it fires an event when the drawing has changed, and gives a recording of it, which a worker draws
// into the canvas. The recording is drawn as a whole, whatever was drawn before.
//
// The composition is of the same origin, so it can reach this window. So nothing here is global, and what is used of the
// browser is taken before the composition is loaded.

function openHost({ entry, page, width, height, rows, worker: source, slots }) {
  const { apply } = Reflect;
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

  let wanted = null; // {number, slot} of the picture that the next paint event is for
  let isNeeded = false; // true if a paint event has been asked for that picture
  let isStale = false; // true if the drawing has changed since the last picture, and none was wanted
  let painted = 0; // number of the last picture that was handed to the worker
  let failure = "";

  const offscreen = apply(transferControlToOffscreen, canvas, []);
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  const opened = new Promise((done) => {
    worker.addEventListener("message", (event) => {
      const { failed } = apply(data, event, []);
      if (failed) failure ||= failed;
      done(failure);
    });
    worker.addEventListener("error", (event) => {
      failure ||= `the worker ended: ${event.message}`;
      done(failure);
    });
  });
  apply(postMessage, worker, [{ open: { canvas: offscreen, ...slots } }, [offscreen]]);

  canvas.addEventListener("paint", () => {
    if (wanted === null) {
      isStale = true;
      return;
    }
    const { number, slot } = wanted;
    wanted = null;
    isNeeded = isStale = false;
    try {
      const image = apply(captureElementImage, canvas, [frame]);
      apply(postMessage, worker, [{ draw: { number, slot, rows, image } }, [image]]);
    } catch (error) {
      failure ||= String(error);
    }
    painted = number;
  });

  // Take a picture at the next paint event. There is one if the drawing has changed, and in any case if `must` is true.
  function arm(number, slot, must) {
    wanted = { number, slot };
    isNeeded = must || isStale;
    if (isNeeded) apply(requestPaint, canvas, []);
    return isNeeded;
  }

  return {
    opened: () => opened,
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
    // Seek, and arm if the page is ready for its picture. Nothing is sought before the picture of the frame before is taken.
    async seek(asked, number, slot, must) {
      if (isNeeded) return { unpainted: true };
      wanted = null;
      const runtime = apply(windowOf, frame, []).__hfdask;
      const answer = await runtime.frame(asked);
      const { changed, observed, late } = typeof answer === "object" ? answer : { changed: answer };
      const isReady = !observed && !late;
      const needed = isReady && arm(number, slot, must || changed === true);
      return { answer, armed: isReady, needed, plain: needed && runtime.drawsNothing() };
    },
    // Whether the picture of this number was taken. If it was not, and it was not needed, it is not wanted any more.
    isPainted(number) {
      if (!isNeeded) wanted = null;
      return painted === number;
    },
    failure: () => failure,
  };
}
