// Draw recordings of a composition, and write their pixels to slots. This is a Web Worker of the host (host.js).

let pen; // of the host's canvas: a recording can be drawn only on the canvas that it comes from
let file;
let pixels; // of one picture
let layout; // {numbers, first, step}: offsets in the file

// Make the file in a separate bucket, so that it does not appear in the page's storage. The host finds it by its first bytes.
async function open({ canvas, token, size, bucket, ...places }) {
  layout = places;
  pixels = new Uint8Array(4 * canvas.width * canvas.height);
  // The pixels are read each time, so they are drawn in memory.
  pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  const made = await /** @type {any} */ (navigator).storageBuckets.open(bucket);
  const handle = await (await made.getDirectory()).getFileHandle("slots", { create: true });
  file = await handle.createSyncAccessHandle({ mode: "readwrite-unsafe" }); // another worker writes notes to it
  file.truncate(size);
  file.write(new TextEncoder().encode(token), { at: 0 });
  file.flush();
  postMessage({ opened: handle });
}

// The browser draws a recording into a layer of the clip's size first. It returns large layers to the system after each
// picture, which takes longer than to draw a simple page. Layers of strips are small, but each strip goes through the recording.
function drawStrips(image, rows) {
  const { width, height } = pen.canvas;
  for (let top = 0; top < height; top += rows) {
    pen.save();
    pen.beginPath();
    pen.rect(0, top, width, rows);
    pen.clip();
    pen.drawElementImage(image, 0, 0);
    pen.restore();
  }
}

async function draw({ number, slot, rows, image }) {
  drawStrips(image, rows);
  image.close();
  const shot = new VideoFrame(pen.canvas, { timestamp: 0 });
  try {
    // Another order of the colors would cost a conversion here.
    if (shot.format !== "BGRX" && shot.format !== "BGRA") throw new Error(`pixels are ${shot.format} instead of BGRX`);
    await shot.copyTo(pixels);
  } finally {
    shot.close();
  }
  if (file.write(pixels, { at: layout.first + slot * layout.step }) !== pixels.length) {
    throw new Error("there is no room for a picture");
  }
  // The number comes last: a reader knows by it that the picture is whole.
  file.write(new Uint32Array([number]), { at: layout.numbers + 4 * slot });
}

async function answer(asked) {
  if (asked.open) await open(asked.open);
  if (asked.draw) await draw(asked.draw);
}

let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => answer(data)).catch((error) => postMessage({ failed: `pictures of the page: ${error}` }));
};
