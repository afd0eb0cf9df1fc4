// Adapters for what the browser animates by itself: WAAPI, CSS animations, and canvases that draw on `hf-seek`
// (contract 2.7). An adapter has `name`, `seek(time)` in seconds, and may have `end()`, the end in seconds of what it
// drives, and `used()`.

// Baselines: the composition's time when an animation was first seen, and the animation's own time then.
const scripted = new Map();
const animate = Element.prototype.animate;
Element.prototype.animate = function (...args) {
  const animation = animate.apply(this, args);
  watchScripted(animation);
  return animation;
};

function watchScripted(animation) {
  if (scripted.has(animation)) return;
  scripted.set(animation, { time: virtualMs / 1000, current: Number(animation.currentTime ?? 0) });
}

// Pausing first makes the new time take effect at once, with no frame in between.
function setAnimationTime(animation, ms) {
  const end = Number(animation.effect?.getComputedTiming().endTime ?? Infinity);
  const paused = animation.playState === "paused" && !animation.pending;
  if (paused && (animation.currentTime === ms || (ms >= end && animation.currentTime >= end))) return;
  if (!paused) animation.pause();
  animation.currentTime = ms;
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
    for (const [animation, base] of scripted) {
      if (isAlive(animation)) setAnimationTime(animation, base.current + Math.max(0, time - base.time) * 1000);
    }
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

const ownStart = (element) => (element.hasAttribute("data-start") ? startOf(element) : 0);

const css = {
  name: "css",
  seek(time) {
    collectStyled();
    for (const animation of styled) {
      setAnimationTime(animation, Math.max(0, time - ownStart(animation.effect.target)) * 1000);
    }
  },
  end() {
    collectStyled();
    return Math.max(0, ...[...styled].map((animation) => ownStart(animation.effect.target) + effectEnd(animation)));
  },
  used: () => styled.size > 0,
};

// Scripts that draw on demand (WebGL, WebGPU, canvas) listen to `hf-seek` and may hand in promises to wait for.
let announced = null;
let promises = [];
const drawing = {
  name: "hf-seek",
  seek(time, { force = false } = {}) {
    window.__hfThreeTime = window.__hfTypegpuTime = time;
    if (announced === time && !force) return;
    announced = time;
    const waitUntil = (promise) => void promises.push(Promise.resolve(promise));
    window.dispatchEvent(new CustomEvent("hf-seek", { detail: { time, waitUntil } }));
  },
};

// Images that a frame needs: inline backgrounds seen for the first time, and elements whose source changed.
const decoded = new Set();
function pendingPictures() {
  const waits = [];
  for (const element of document.querySelectorAll('[style*="url("]')) {
    for (const [, , url] of element.style.backgroundImage.matchAll(/url\((["']?)(.*?)\1\)/g)) {
      if (decoded.has(url)) continue;
      decoded.add(url);
      const image = new Image();
      image.src = url;
      waits.push(image.decode());
    }
  }
  for (const image of document.images) {
    if (!image.complete && image.loading !== "lazy") waits.push(image.decode());
  }
  return waits;
}
