// Adapters for libraries whose objects authors register, in arrays on `window`, and what of them readiness waits for
// (docs/compositions.md, 6.5, 6.8 and 8.1).

function registered(name, ...more) {
  const list = Array.isArray(window[name]) ? window[name] : [];
  const all = [...list, ...more.flatMap((others) => (Array.isArray(others) ? others : []))];
  return [...new Set(all)].filter((item) => Object(item) === item);
}

// anime.js 3 lists what runs, but forgets what is paused, so all that it ever listed is kept here.
const animes = new Set();
function animeList() {
  const timelines = new Set(Object.values(registry()));
  const others = [...animeTimelines.values()].filter((timeline) => !timelines.has(timeline));
  const more = others.flatMap(({ registrations }) => registrations.map(({ instance }) => instance));
  for (const animation of registered("__hfAnime", window.anime?.running, more)) animes.add(animation);
  return [...animes];
}
const anime = {
  name: "animejs",
  seek(time) {
    for (const animation of animeList()) seekAnime(animation, time);
  },
  used: () => animeTimelines.size > 0 || animeList().length > 0,
};

const isAnime3 = (animation) => "reversePlayback" in animation;

function seekAnime(animation, time) {
  guarded(() => {
    animation.pause?.();
    animation.seek?.(isAnime3(animation) ? animeTime(animation, time * 1000) : time * 1000);
  });
}

// Version 3 counts and seeks within one round, forwards; loops and directions are counted here.
function animeRounds({ loop, direction }) {
  const rounds = loop === true ? Infinity : Number(loop) || 1;
  return direction === "alternate" && rounds === 1 ? 2 : rounds;
}

function animeTime(animation, ms) {
  const { duration, direction } = animation;
  const alternates = direction === "alternate";
  const last = animeRounds(animation) - 1;
  const round = duration > 0 ? Math.min(Math.floor(ms / duration), last) : 0;
  const local = Math.min(ms - round * duration, duration);
  const backwards = direction === "reverse" || (alternates && round % 2 === 1);
  return backwards ? duration - local : local;
}

// `hyperframesAnime.register()`: animations of anime.js as the timeline of a composition, which scenes name as they write it. If the
// composition has another timeline too, they follow the page's time like those in `__hfAnime`.
const animeTimelines = new Map(); // by the composition's id
const ENDLESS = 1e9; // seconds, because a length has to be finite

function animeTimeline() {
  const registrations = [];
  const seconds = ({ instance }) => (instance.duration / 1000) * (isAnime3(instance) ? animeRounds(instance) : 1);
  return {
    registrations,
    duration: () => Math.min(ENDLESS, Math.max(...registrations.map(seconds))),
    seek(time) {
      for (const { instance } of registrations) seekAnime(instance, time);
    },
  };
}

function animeRegistry(timelines, idOf) {
  const get = (id) => animeTimelines.get(idOf(id))?.registrations.at(-1);
  return {
    register(id, instance, { labels = {} } = {}) {
      if (typeof instance?.seek !== "function")
        throw new TypeError(`hyperframesAnime.register("${id}", ...) needs an animation of anime.js`);
      const key = idOf(id);
      if (!animeTimelines.has(key)) animeTimelines.set(key, animeTimeline());
      const timeline = animeTimelines.get(key);
      const registration = { id: key, instance, labels };
      timeline.registrations.push(registration);
      timelines()[id] ??= timeline;
      return registration;
    },
    get,
    entries: () => [...animeTimelines.values()].flatMap(({ registrations }) => registrations),
    resolveLabel: (id, label) => get(id)?.labels[label] ?? null, // in seconds
  };
}

// D3's timers that are due at a frame run in that frame.
const d3 = {
  name: "d3",
  seek() {},
  after: () => window.d3?.timerFlush && guarded(() => window.d3.timerFlush()),
  used: () => Boolean(window.d3?.timerFlush) || registered("__hfD3").length > 0,
};

// A map that moved may need tiles that are still being parsed: its frame waits for them. Callbacks run once a frame only,
// so the map draws without a callback.
const mapList = () => registered("__hfMapbox", window.__hfMaplibre);
const maps = {
  name: "maps",
  seek() {},
  after() {
    for (const map of mapList()) {
      if (guarded(() => map.areTilesLoaded?.()) === false) promises.push(completeMap(map));
    }
  },
  used: () => mapList().length + registered("__hfLeaflet", window.__hfGoogleMaps).length > 0,
};

async function completeMap(map) {
  while (!map.areTilesLoaded()) {
    await new Promise((done) => native.setTimeout(done, 5));
    redraw(map);
  }
  redraw(map);
}

function redraw(map) {
  if (map.redraw) map.redraw();
  else map._render?.(); // Mapbox has no public way to draw at once
}

async function mapLoaded(map) {
  if (!map.once) return;
  // A loaded map sends no more `load`, but it is idle again after one more drawing.
  await new Promise((done) => {
    for (const event of ["load", "idle"]) map.once(event, done);
    map.triggerRepaint?.();
  });
  while (map.areTilesLoaded?.() === false) await new Promise((done) => native.setTimeout(done, 5));
}

const leafletReady = (map) => new Promise((done) => (map.whenReady ? map.whenReady(done) : done(null)));
const tilesLoaded = (map) =>
  new Promise((done) => (map.addListener ? map.addListener("tilesloaded", done) : done(null)));

// A transition ends while the page loads only if it takes no time; any other is for the frames to drive.
const D3_FLUSHES = 3;
let flushes = 0;
let flushWaiters = [];
function transitionEnded(transition) {
  const patience = new Promise((done) => flushWaiters.push({ after: flushes + D3_FLUSHES, done }));
  return Promise.race([transition.end?.(), patience].filter(Boolean));
}

// Three.js does not show if its manager is busy, except that only an idle manager starts.
function threeLoading(manager) {
  const { onStart, onProgress, onLoad } = manager;
  let busy = true;
  manager.onStart = () => (busy = false);
  manager.onProgress = manager.onLoad = undefined;
  manager.itemStart("");
  manager.itemEnd("");
  Object.assign(manager, { onStart, onProgress, onLoad });
  return busy;
}

// As a module it is known to the page under a name only, which its import map may resolve.
let threeManager = null;
{
  let revision;
  Object.defineProperty(window, "__THREE__", {
    configurable: true,
    get: () => revision,
    set(value) {
      revision = value;
      const found = (three) => (threeManager = three.DefaultLoadingManager ?? null);
      if (document.querySelector('script[type="importmap"]')) gate("three", () => import("three").then(found));
    },
  });
}

function threeWaits() {
  const manager = window.THREE?.DefaultLoadingManager ?? threeManager;
  return manager && threeLoading(manager) ? ["three.js"] : [];
}

// How long each registered object is waited for. Meanwhile animation frames are run, just after time 0, because maps and
// transitions go on by them.
const SOURCES = {
  __hfMapbox: mapLoaded,
  __hfMaplibre: mapLoaded,
  __hfLeaflet: leafletReady,
  __hfGoogleMaps: tilesLoaded,
  __hfD3: transitionEnded,
};
const asked = new WeakSet();
let driven = 0; // gates that need animation frames

function gateLibraries() {
  if (settled) return;
  for (const [name, ready] of Object.entries(SOURCES)) {
    for (const [i, object] of registered(name).entries()) {
      if (asked.has(object)) continue;
      asked.add(object);
      driven++;
      const settled = Promise.resolve(guarded(() => ready(object))).finally(() => driven--);
      gate(`${name}[${i}]`, () => settled);
    }
  }
  gateLotties();
  if (driven > 0) {
    flushes++;
    runWhileLoading();
    for (const { after, done } of flushWaiters) if (flushes >= after) done();
    flushWaiters = flushWaiters.filter(({ after }) => flushes < after);
  }
}

function gateLotties() {
  if (settled) return;
  for (const [i, animation] of lottieList().entries()) {
    const loaded = asked.has(animation) ? null : lottieLoaded(animation);
    if (loaded) gate(`lottie ${i}`, () => loaded);
    asked.add(animation);
  }
}
// Scripts may destroy a player when it has loaded. A dotLottie player gives no sign of that later, so look before it can have loaded.
apply(addListener, document, ["DOMContentLoaded", entering(gateLotties)]);
