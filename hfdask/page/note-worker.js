// Write the host's notes about frames to the file of its pictures. This is a Web Worker of the host (host.js). The worker that draws the
// pictures is busy for most of the time, and notes must not wait for it.

let file;
let layout; // {notes, kept}: the offset of the notes in the file, and how many frames' notes are kept

async function open({ handle, ...places }) {
  layout = places;
  file = await handle.createSyncAccessHandle({ mode: "readwrite-unsafe" });
  postMessage({ opened: true });
}

function note({ index, word }) {
  file.write(new Uint32Array([word]), { at: layout.notes + 4 * (index % layout.kept) });
}

self.onmessage = ({ data }) => {
  if (!data.open) return note(data);
  open(data.open).catch((error) => postMessage({ failed: `notes about frames: ${error}` }));
};
