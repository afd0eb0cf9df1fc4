// Read pictures from slots, and write them to the streams of the page's videos. This is a Web Worker of the runtime.

const writers = new Map(); // number of a stream -> writer
let readSlot; // (offset, length) -> the bytes, which are valid until the next call
let route; // URL of the same bytes on the page server

// Open the file of slots. If this browser cannot open one, the bytes are fetched from the page server.
async function open({ token, size, bucket, route: toServer, file }) {
  route = toServer;
  readSlot = fromServer();
  const fileReader = file ? await fromFile(bucket, token, size).catch(() => null) : null;
  readSlot = fileReader ?? readSlot;
  postMessage({ opened: { file: fileReader !== null } });
}

// Make the file in a separate bucket, so that it does not appear in the page's storage. The host finds it by its first bytes.
async function fromFile(name, token, size) {
  const bucket = await /** @type {any} */ (navigator).storageBuckets.open(name);
  const folder = await bucket.getDirectory();
  const made = await folder.getFileHandle("slots", { create: true });
  const handle = await made.createSyncAccessHandle();
  handle.truncate(size);
  handle.write(new TextEncoder().encode(token), { at: 0 });
  handle.flush();
  let buffer = new ArrayBuffer(0);
  return async (offset, length) => {
    if (buffer.byteLength < length) buffer = new ArrayBuffer(length);
    const bytes = new Uint8Array(buffer, 0, length);
    if (handle.read(bytes, { at: offset }) !== length) throw new Error("the file of pictures was cut short");
    return bytes;
  };
}

function fromServer() {
  let buffer = new ArrayBuffer(0);
  return async (offset, length) => {
    if (buffer.byteLength < length) buffer = new ArrayBuffer(length);
    const response = await fetch(`${route}/${offset}-${offset + length}`);
    if (!response.ok) throw new Error(`the server answered ${response.status} for a picture`);
    const reader = response.body.getReader({ mode: "byob" });
    for (let at = 0; at < length; ) {
      const { value, done } = await reader.read(new Uint8Array(buffer, at, length - at));
      if (done) throw new Error("the server cut a picture short");
      buffer = value.buffer;
      at += value.byteLength;
    }
    return new Uint8Array(buffer, 0, length);
  };
}

async function write({ stream, writable, stamp, picture, size }) {
  if (writable) writers.set(stream, writable.getWriter());
  const frame = picture === null ? nothing(size, stamp) : await pictureOf(picture, stamp);
  await writers.get(stream).write(frame);
}

async function pictureOf({ offset, length, options }, timestamp) {
  return new VideoFrame(await readSlot(offset, length), { ...options, timestamp });
}

// Return a picture that is transparent everywhere.
function nothing({ width, height }, timestamp) {
  const planes = new Uint8Array([0, 0, 0, 0, 128, 128, 0, 0, 0, 0]);
  const shape = { codedWidth: 2, codedHeight: 2, displayWidth: width, displayHeight: height };
  return new VideoFrame(planes, { format: "I420A", ...shape, timestamp });
}

async function answer(asked) {
  if (asked.open) await open(asked.open);
  if (asked.serve) readSlot = fromServer();
  if (asked.write) {
    for (const job of asked.write) await write(job);
    postMessage({ written: true });
  }
}

let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => answer(data)).catch((error) => postMessage({ failed: `pictures of videos: ${error}` }));
};
