// Adapters for what the browser animates by itself, in every frame of the page: WAAPI, CSS animations and SMIL, and
// for canvases that draw on `hf-seek` (contract 2.7). An adapter has `name`, `seek(time)` in seconds, and may have
// `after()`, called when the frame's callbacks have run, `end()`, the end in seconds of what it drives, and `used()`.

let currentTime = 0; // the composition's, in seconds, at the frame that is being sought

function quantise(time) {
  return Math.floor(time * config.fps + 1e-9) / config.fps;
}

// Baselines: the composition's time when an animation was first seen, and the animation's own time then.
const scripted = own(new Map());
const animate = Element.prototype.animate;
Element.prototype.animate = function (...args) {
  const animation = apply(animate, this, args);
  watchScripted(animation);
  return animation;
};
const play = Animation.prototype.play;
Animation.prototype.play = function () {
  apply(play, this, []);
  if (!(this instanceof CSSAnimation)) watchScripted(this);
};

function watchScripted(animation) {
  if (scripted.has(animation)) return;
  // A transition starts at 0; by the time it is seen, the browser's own clock has moved it a little.
  const current = animation instanceof CSSTransition ? 0 : Number(animation.currentTime ?? 0);
  scripted.set(animation, { time: currentTime, current });
}

// Where animations stand is asked of all of them before any is moved: a question about one has the browser compute the
// style of the page anew if another was moved before. Within the time before an effect or after it nothing changes, and
// nothing is written. Pausing first makes the new time take effect at once, with no frame in between.
function setAnimationTimes(times) {
  const due = [...times].filter(([animation, ms]) => isElsewhere(animation, ms));
  for (const [animation, ms] of due) {
    animation.pause();
    animation.currentTime = ms;
    moved = true;
  }
}

function isElsewhere(animation, ms) {
  if (animation.playState !== "paused" || animation.pending) return true;
  const now = animation.currentTime;
  if (now === null || now === ms) return now === null;
  const { delay = 0, endTime = Infinity } = animation.effect?.getComputedTiming() ?? {};
  return !(now >= endTime && ms >= endTime) && !(now < delay && ms < delay);
}

function effectEnd(animation) {
  const end = Number(animation.effect?.getComputedTiming().endTime ?? 0);
  return Number.isFinite(end) ? end / 1000 : 0;
}

// A cancelled animation is idle; giving it a time would bring it back to life.
function isAlive(animation) {
  return animation.playState !== "idle" && animation.effect?.target?.isConnected !== false;
}

const waapi = {
  name: "waapi",
  seek(time) {
    for (const animation of document.getAnimations()) {
      if (!(animation instanceof CSSAnimation)) watchScripted(animation);
    }
    const alive = [...scripted].filter(([animation]) => isAlive(animation));
    setAnimationTimes(alive.map(([animation, base]) => [animation, base.current + Math.max(0, time - base.time) * 1000]));
  },
  end: () => Math.max(0, ...[...scripted].map(([animation, base]) => base.time + effectEnd(animation))),
  used: () => scripted.size > 0,
};

// The document forgets a CSS animation that has ended without a fill; it is kept here, because a later seek may go
// back into it.
const styled = new Set();

function collectStyled() {
  for (const animation of document.getAnimations()) {
    if (animation instanceof CSSAnimation) styled.add(animation);
  }
  for (const animation of styled) if (!isAlive(animation)) styled.delete(animation);
}

// An element's own start, in seconds; the documents of frames are no compositions and have none.
let ownStart = () => 0;

const css = {
  name: "css",
  seek(time) {
    collectStyled();
    const ms = (animation) => Math.max(0, time - ownStart(animation.effect.target)) * 1000;
    setAnimationTimes([...styled].map((animation) => [animation, ms(animation)]));
  },
  end() {
    collectStyled();
    return Math.max(0, ...[...styled].map((animation) => ownStart(animation.effect.target) + effectEnd(animation)));
  },
  used: () => styled.size > 0,
};

// SMIL: each outermost <svg> has a clock of its own, which stands still once it is paused.
const TIMED = ["animate", "animateMotion", "animateTransform", "set"];
const SVG = "http://www.w3.org/2000/svg";
const timedElements = () => TIMED.flatMap((name) => [...document.getElementsByTagNameNS(SVG, name)]);
const vectorTimes = new WeakMap();

function outermost(element) {
  const svg = element.ownerSVGElement;
  return svg ? outermost(svg) : element;
}

function timedVectors() {
  return new Set(timedElements().map(outermost).filter((element) => element.localName === "svg"));
}

function timedEnd(element) {
  try {
    const repeats = Number(element.getAttribute("repeatCount") ?? 1);
    const end = element.getStartTime() + (element.localName === "set" ? 0 : element.getSimpleDuration() * repeats);
    return Number.isFinite(end) ? end : 0;
  } catch {
    return 0; // how the browser says that it has no start yet, or no end
  }
}

const smil = {
  name: "smil",
  seek(time) {
    for (const svg of timedVectors()) {
      const local = Math.max(0, time - ownStart(svg));
      if (vectorTimes.get(svg) === local) continue;
      svg.pauseAnimations();
      svg.setCurrentTime(local);
      vectorTimes.set(svg, local);
      moved = true;
    }
  },
  end() {
    return Math.max(0, ...timedElements().map((element) => ownStart(outermost(element)) + timedEnd(element)));
  },
  used: () => timedVectors().size > 0,
};

adoptDocuments();

if (window !== window.top) {
  seekAnimations = (time) => {
    currentTime = quantise(time);
    for (const adapter of [waapi, css, smil]) caught(() => adapter.seek(currentTime));
  };
}

// Scripts that draw on demand (WebGL, WebGPU, canvas) listen to `hf-seek` and may hand in promises to wait for.
const dispatch = window.dispatchEvent.bind(window);
let announced = null;
let promises = [];
const drawing = {
  name: "hf-seek",
  seek(time, { force = false, suppressEvents = false } = {}) {
    window.__hfThreeTime = window.__hfTypegpuTime = time;
    if (suppressEvents || (announced === time && !force)) return;
    announced = time;
    const waitUntil = entering((promise) => void promises.push(Promise.resolve(promise)));
    const event = new CustomEvent("hf-seek", { detail: { time, waitUntil } });
    guarded(() => dispatch(event));
  },
};
