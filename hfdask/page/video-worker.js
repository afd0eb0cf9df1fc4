// The worker of the page's videos: reads pictures out of slots, and writes them to the streams of the elements.

const writers = new Map(); // number of a stream → writer
let readSlot; // (offset, length) → the bytes, which count until the next call
let route; // to the same bytes on the page's server

// Where this browser has no such files, the server has the bytes.
async function open({ token, size, bucket, route: toServer, file }) {
  route = toServer;
  readSlot = fromServer();
  const fileReader = file ? await fromFile(bucket, token, size).catch(() => null) : null;
  readSlot = fileReader ?? readSlot;
  postMessage({ opened: { file: fileReader !== null } });
}

// In a bucket of its own, so that the page's storage has nothing of it. The host finds the file by its first bytes.
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

// A picture that is transparent everywhere.
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
