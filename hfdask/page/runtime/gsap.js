// GSAP is set up as soon as it is there, before any tween. Without lag smoothing a chunk's first seek is not taken for a
// stalled tab. Without 3D transforms elements get no separate layers, whose drawing depends on the past.

const setUps = own(new WeakSet());
const clockTimelines = own(new WeakSet()); // the timelines that GSAP's own clock moves, with their contents
function setUpGsap(gsap) {
  if (!gsap?.registerEase || setUps.has(gsap)) return;
  setUps.add(gsap);
  if (gsap.globalTimeline) clockTimelines.add(gsap.globalTimeline);
  guarded(() => gsap.ticker.lagSmoothing(0));
  guarded(() => gsap.config({ force3D: false }));
  guarded(() => registerEases(gsap));
}

let gsapObject;
Object.defineProperty(window, "gsap", {
  configurable: true,
  enumerable: true,
  get: () => gsapObject,
  set(value) {
    gsapObject = value;
    setUpGsap(value);
  },
});

// As a module, bundled or not, GSAP is not on `window`. But it writes its version there, and right after that it stores
// itself, under its name, in a plain object. For that moment plain objects have a setter that receives it.
const versions = [];
Object.defineProperty(window, "gsapVersions", {
  configurable: true,
  get() {
    const disarm = () => drop(Object.prototype, "gsap");
    Object.defineProperty(Object.prototype, "gsap", {
      configurable: true,
      set(value) {
        disarm();
        Object.defineProperty(this, "gsap", { value, configurable: true, enumerable: true, writable: true });
        setUpGsap(value);
      },
    });
    queueMicrotask(disarm);
    return versions;
  },
});

// The eases that a composition may count on (docs/compositions.md, 6.3). Which curves they are is ours to say; an author's own ease
// of the same name takes their place. `_auto` is a property that tweens may have without a meaning.
function registerEases(gsap) {
  gsap.registerEase("hold", (p) => (p < 1 ? 0 : 1));
  gsap.registerEase("spring", configurable(spring));
  gsap.registerEase("wiggle", configurable(wiggle));
  gsap.registerEase("custom", configurable(bezier));
  gsap.registerPlugin({ name: "_auto", init: () => false });
}

// `spring(2)` in a tween calls `config(2)`; the plain name is the ease with its defaults.
function configurable(make) {
  return Object.assign(make(), { config: make });
}

// Overshoots and comes to rest, with this number of oscillations.
function spring(oscillations = 3) {
  return (p) => (p <= 0 ? 0 : p >= 1 ? 1 : 1 - Math.exp(-6 * p) * Math.cos(2 * Math.PI * oscillations * p));
}

// Goes there and back `times` times, less and less far, and ends at its start.
function wiggle(times = 4) {
  return (p) => (1 - p) * Math.sin(2 * Math.PI * times * p);
}

// The curve of CSS's cubic-bezier(), by default `ease`: x(u) rises, so u is found by halving.
function bezier(x1 = 0.25, y1 = 0.1, x2 = 0.25, y2 = 1) {
  const curve = (a, b, u) => 3 * a * u * (1 - u) ** 2 + 3 * b * u ** 2 * (1 - u) + u ** 3;
  return (p) => {
    if (p <= 0 || p >= 1) return Math.min(1, Math.max(0, p));
    let [low, high] = [0, 1];
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2;
      if (curve(x1, x2, middle) < p) low = middle;
      else high = middle;
    }
    return curve(y1, y2, low);
  };
}
