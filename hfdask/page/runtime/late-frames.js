// Documents that scripts load into frames once the video has begun. A frame of the video waits for them (docs/compositions.md, 8.2).

const arriving = own(new Map()); // frame -> {there, end}: a promise of its document, and what ends the wait
const PATIENCE = 10_000; // milliseconds

function expect(frame) {
  if (!begun || frame.localName !== "iframe" || arriving.has(frame)) return;
  if (frame.loading === "lazy" || !hasDocument(frame)) return;
  const arrival = { there: null, end: () => {} };
  arrival.there = new taken.Promise((done) => {
    arrival.end = () => {
      if (arriving.get(frame) === arrival) arriving.delete(frame);
      done(frame);
    };
  });
  arriving.set(frame, arrival);
  frame.addEventListener("load", arrival.end, { once: true });
  native.setTimeout(arrival.end, PATIENCE);
}

function expectIn(element) {
  expect(element);
  for (const frame of element.getElementsByTagName("iframe")) expect(frame);
}

// An empty document is there at once.
function hasDocument(frame) {
  return frame.hasAttribute("srcdoc") || (frame.src !== "" && !/^(?:about:blank|javascript:)/i.test(frame.src));
}

// Nothing comes into a frame that was removed.
function dropLost() {
  for (const [frame, { end }] of [...arriving]) if (!frame.isConnected) end();
}

function comingDocuments() {
  const here = Array.from(arriving.values(), ({ there }) => there);
  return [...here, ...childClocks().flatMap((clock) => clock.comingDocuments())];
}
