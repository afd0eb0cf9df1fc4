// Animated pictures (GIF, APNG, WebP, AVIF) in <img>: the browser plays them on a separate clock, which stands still
// here. So WebCodecs decodes their frames, and the picture of the frame's time is shown as the image's CSS content:
// the element keeps its source, its size and its style (docs/compositions.md, 6.7).

const STILL = /\.(jpe?g|svg)$/i;
const films = new Map(); // url -> promise of a film; null for a picture that does not move
const shown = new WeakMap(); // image -> {url, index}

async function readFilm(url) {
  const file = window.ImageDecoder ? await pictureFile(url) : null;
  if (!file || !(await ImageDecoder.isTypeSupported(file.type))) return null;
  const decoder = new ImageDecoder({ type: file.type, data: await file.arrayBuffer() });
  await decoder.tracks.ready.catch(() => null);
  const track = decoder.tracks.selectedTrack;
  if (!track?.animated || track.frameCount < 2) {
    decoder.close();
    return null;
  }
  const starts = [];
  let length = 0; // in milliseconds
  for (let frameIndex = 0; frameIndex < track.frameCount; frameIndex++) {
    const { image } = await decoder.decode({ frameIndex });
    const ms = (image.duration ?? 0) / 1000;
    starts.push(length);
    length += ms > 10 ? ms : 100; // as browsers take a delay that cannot be meant
    image.close();
  }
  return { decoder, starts, length, rounds: track.repetitionCount + 1, pictures: new Map() };
}

function filmOf(url) {
  if (!films.has(url)) films.set(url, readFilm(url));
  return films.get(url);
}

// `data-loop` decides over what the file says; the last frame stays.
function filmIndex(film, image, time) {
  const loop = image.getAttribute("data-loop")?.toLowerCase();
  let { rounds } = film;
  if (["", "true", "1", "yes"].includes(loop)) rounds = Infinity;
  if (["false", "0", "no"].includes(loop)) rounds = 1;
  // A microsecond, so that a frame at the very start of a picture shows it in spite of rounding.
  const ms = Math.max(0, time - ownStart(image)) * 1000 + 0.001;
  if (ms >= film.length * rounds) return film.starts.length - 1;
  return film.starts.findLastIndex((start) => start <= ms % film.length);
}

const MAX_PICTURES = 16; // of one film: they are not compressed
function filmPicture(film, frameIndex) {
  const { pictures } = film;
  if (!pictures.has(frameIndex)) pictures.set(frameIndex, makePicture(film.decoder, frameIndex));
  for (const [index, old] of [...pictures].slice(0, -MAX_PICTURES)) {
    pictures.delete(index);
    old.then(({ src }) => URL.revokeObjectURL(src));
  }
  return pictures.get(frameIndex);
}

// Pixels of its picture for each pixel of the page, as its srcset says.
function densityOf(image) {
  const listed = [image, ...(image.closest("picture")?.querySelectorAll("source") ?? [])];
  const candidates = listed.flatMap((element) => candidatesOf(element, element.getAttribute("srcset") ?? ""));
  return candidates.find(({ url }) => URL.parse(url, image.baseURI)?.href === image.currentSrc)?.density ?? 1;
}

async function makePicture(decoder, frameIndex) {
  const { image } = await decoder.decode({ frameIndex });
  const { displayWidth: width, displayHeight: height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  const pixels = context.getImageData(0, 0, width, height);
  const file = new Blob([bitmapHeader(pixels), pixels.data], { type: "image/bmp" });
  const picture = fetchPicture(URL.createObjectURL(file));
  await new Promise((done) => picture.addEventListener("load", done));
  return picture; // kept, so that the browser keeps it
}

// The header of a BMP file, which stores the pixels of a canvas unchanged. The browser's own encoders wait for idle time,
// which a page that is driven frame by frame does not have.
function bitmapHeader({ width, height, data }) {
  const view = new DataView(new ArrayBuffer(122));
  const masks = [0xff, 0xff00, 0xff0000, 0xff000000];
  view.setUint16(0, 0x424d); // "BM"
  const [file, size] = [
    [122 + data.length, 0, 122],
    [108, width, -height, 1 | (32 << 16), 3, data.length],
  ];
  const words = [...file, ...size, 2835, 2835, 0, 0, ...masks, 0x73524742]; // from the top, 32 bits, sRGB
  for (const [i, word] of words.entries()) view.setInt32(2 + 4 * i, word, true);
  return view.buffer;
}

const stillUrls = new Set();
function mayMove(url) {
  return Boolean(url) && !stillUrls.has(url) && !STILL.test(url.replace(/[?#].*/, ""));
}

async function knowFilm(url) {
  const film = await filmOf(url);
  if (!film) stillUrls.add(url);
  return film;
}

// While the page loads: learns which pictures move.
function gateFilms() {
  for (const { currentSrc: url, complete, naturalWidth } of allImages()) {
    if (complete && naturalWidth && mayMove(url) && !films.has(url))
      gate(`frames of ${url}`, () => knowFilm(url), readings);
  }
}

// Returns what a frame waits for: the pictures of films, and the answer if a new picture is a film.
function pendingFilms(time) {
  return allImages()
    .filter((image) => shown.has(image) || !image.complete || mayMove(image.currentSrc))
    .map((image) => showFilm(image, time));
}

async function showFilm(image, time) {
  if (!image.complete) await decode(image);
  const url = image.currentSrc;
  const film = image.naturalWidth && mayMove(url) ? await knowFilm(url) : null;
  const before = shown.get(image);
  if (!film) {
    if (before) image.style.removeProperty("content");
    shown.delete(image);
    return;
  }
  const index = filmIndex(film, image, time);
  if (before?.url === url && before.index === index) return;
  const picture = await filmPicture(film, index);
  inlineSeen.add(picture.src);
  image.style.setProperty("content", `image-set(url("${picture.src}") ${densityOf(image)}x)`, "important");
  shown.set(image, { url, index });
}
