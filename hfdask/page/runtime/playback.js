// WAAPI on the composition's time: what a page reads of its animations, and what it does with them.
//
// Every animation of the document's timeline is paused in the browser, which draws whatever time it is given. Whether it
// plays, since when and how fast is known here alone: a playback keeps what the Web Animations standard keeps of an animation,
// `start` and `hold`, and the properties and methods of `Animation` answer and act by it. Nothing is ever pending: changes that a
// browser applies with the next frame apply at once. So the position of an animation is a function of the time, whichever frames
// were sought before. The browser drives animations of other timelines (scroll, view) and animations without a timeline.

let currentTime = 0; // the composition's, in seconds, at the frame or moment that is being sought

const nativeProperty = (name) => describeProperty(Animation.prototype, name);
/** @type {Record<string, any>} */
const natively = {};
for (const name of ["timeline", "currentTime", "playState", "playbackRate", "effect", "replaceState"]) {
  const { get, set } = nativeProperty(name);
  natively[name] = {
    get: (animation) => apply(get, animation, []),
    set: (animation, value) => apply(set, animation, [value]),
  };
}
for (const name of ["play", "pause", "cancel", "persist", "commitStyles"]) {
  const method = Animation.prototype[name];
  natively[name] = (animation) => apply(method, animation, []);
}
const timingOf = AnimationEffect.prototype.getComputedTiming;
const targetOf = describeProperty(KeyframeEffect.prototype, "target").get;
const {
  CSSAnimation: StyleAnimation,
  CSSTransition: StyleTransition,
  DocumentTimeline: PageTimeline,
  DOMException: BrowserError,
} = window;

const playbacks = own(new WeakMap());
const playing = own(new Set()); // playbacks of the animations that have a time

// `start` is the time at which the animation's own time is 0, at its rate; `hold` is its own time while it is paused. `past` is
// a time beyond its end to which a script has set it. An animation of a style sheet obeys `animation-play-state` (`byStyle`) and
// counts from its element's start (`anchored`) until a script takes over. Null for an animation that the browser drives.
function playbackOf(animation) {
  const known = playbacks.get(animation);
  if (known) return known;
  const timeline = natively.timeline.get(animation);
  if (!(timeline instanceof PageTimeline)) {
    browserDrives = true;
    return null;
  }
  const playback = {
    animation,
    kind: animation instanceof StyleAnimation ? "css" : animation instanceof StyleTransition ? "transition" : "script",
    order: playbackCount++,
    origin: timeline === document.timeline ? 0 : Number(document.timeline.currentTime) - Number(timeline.currentTime),
    rate: natively.playbackRate.get(animation),
    ...{ start: null, hold: null, past: null, byStyle: false, anchored: false, timing: null, shown: null },
    ...{ replaced: false, removed: false, persisted: false, properties: null },
    ...{ ready: null, finish: null, told: false, hears: {}, phase: "idle", round: 0, heard: -Infinity },
  };
  playbacks.set(animation, playback);
  silence(animation);
  const state = natively.playState.get(animation);
  if (state !== "idle") takeOver(playback, state);
  return playback;
}
let playbackCount = 0;
let browserDrives = false; // some animations

// Takes over an animation that the browser has begun: it was made with a time, or a style sheet plays or holds it.
function takeOver(playback, state) {
  playing.add(playback);
  if (playback.kind !== "css") {
    playback.start = now(playback);
    return;
  }
  playback.byStyle = true;
  if (state === "paused") playback.hold = 0;
  else playback.anchored = true;
  anchor(playback);
}

function anchor(playback) {
  if (playback.anchored) playback.start = ours(() => ownStart(elementOf(playback.animation))) * 1000;
}

// An element's own start, in seconds; the documents of frames are not compositions and have none.
/** @type {(element: Element | null) => number} */
let ownStart = () => 0;

function elementOf(animation) {
  const effect = natively.effect.get(animation);
  return effect instanceof KeyframeEffect ? apply(targetOf, effect, []) : null;
}

function now(playback) {
  return currentTime * 1000 - playback.origin;
}

// Scripts and styles change the timing of an effect. Changes by scripts are noticed; for styles it is read anew at each seek.
const noTiming = { delay: 0, endDelay: 0, duration: 0, iterations: 1, activeDuration: 0, endTime: 0, fill: "none" };
function timing(playback) {
  if (!playback.timing) {
    const effect = natively.effect.get(playback.animation);
    playback.timing = effect ? apply(timingOf, effect, []) : noTiming;
  }
  return playback.timing;
}

const ROUNDING = 1e-6; // ms: a time that was computed by another way may be off by this much

// The animation's own time, in milliseconds, or null.
function ownTime(playback) {
  if (playback.hold !== null) return playback.hold;
  if (playback.start === null) return null;
  const { rate, past } = playback;
  const free = freeTime(playback);
  if (rate > 0) {
    const last = past !== null && past > timing(playback).endTime ? past : timing(playback).endTime;
    return free > last - ROUNDING ? last : free;
  }
  if (rate < 0) {
    const last = past !== null && past < 0 ? past : 0;
    return free < last + ROUNDING ? last : free;
  }
  return free;
}

// The same without an end.
function freeTime(playback) {
  return (now(playback) - playback.start) * playback.rate;
}

function stateOf(playback) {
  if (playback.start === null) return playback.hold === null ? "idle" : "paused";
  return isOver(playback) ? "finished" : "running";
}

function isOver(playback) {
  if (playback.start === null) return false;
  const time = ownTime(playback);
  return playback.rate > 0 ? time >= timing(playback).endTime : playback.rate < 0 && time <= 0;
}

// Has the browser draw the position of a playback. Before an effect and after it nothing changes, and nothing is written.
function show(playback) {
  const { animation, replaced, shown } = playback;
  const ms = replaced ? null : ownTime(playback);
  if (ms === null) {
    if (shown === null) return;
    natively.cancel(animation);
  } else {
    if (shown !== null && isAlike(playback, shown, ms)) return;
    // Only what has a time can be paused, whichever way it plays; and once it is, a time takes effect with no frame in between.
    if (shown === null) {
      natively.currentTime.set(animation, ms);
      natively.pause(animation);
    }
    natively.currentTime.set(animation, ms);
  }
  playback.shown = ms;
  moved = true;
}

function isAlike(playback, before, ms) {
  if (before === ms) return true;
  const { endTime, delay } = timing(playback);
  return (before > endTime && ms > endTime) || (before < delay && ms < delay);
}

// The browser drives it from now on.
function release(playback) {
  const isRunning = stateOf(playback) === "running";
  playing.delete(playback);
  playbacks.delete(playback.animation);
  if (isRunning) natively.play(playback.animation);
}

// An animation's own time becomes another; `paused` says whether it stands there.
function sendTo(playback, ms, paused = false) {
  playback.byStyle = playback.anchored = false;
  playback.heard = -Infinity;
  const { rate } = playback;
  const { endTime } = timing(playback);
  playback.past = (rate > 0 && ms > endTime) || (rate < 0 && ms < 0) ? ms : null;
  playback.hold = paused || rate === 0 ? ms : null;
  playback.start = paused ? null : now(playback) - (rate === 0 ? 0 : ms / rate);
  settleFinish(playback);
  playing.add(playback);
  show(playback);
}

function invalidState(text) {
  return new BrowserError(text, "InvalidStateError");
}

function endFor(playback, rate) {
  if (rate < 0) return 0;
  const { endTime } = timing(playback);
  if (endTime === Infinity) throw invalidState("an animation without an end cannot be sent there");
  return endTime;
}

function playFrom(playback, rate = playback.rate) {
  const time = ownTime(playback);
  const { endTime } = timing(playback);
  if (rate >= 0) return time === null || (rate > 0 && (time < 0 || time >= endTime)) ? 0 : time;
  if (time !== null && time > 0 && time <= endTime) return time;
  if (endTime === Infinity) throw invalidState("an animation without an end cannot be played backwards from there");
  return endTime;
}

function setRate(playback, rate) {
  natively.playbackRate.set(playback.animation, rate); // the browser raises its own errors for invalid numbers
  playback.rate = natively.playbackRate.get(playback.animation);
}

// Makes the promise `finished` when a page asks for it, and a new one if the animation is no longer finished.
function finishOf(playback) {
  if (!playback.finish) {
    const finish = { settled: false };
    finish.promise = new taken.Promise((resolve, reject) => Object.assign(finish, { resolve, reject }));
    playback.finish = finish;
    listening = true;
    if (playback.told) resolveFinish(playback);
  }
  return playback.finish;
}

function resolveFinish({ finish, animation }) {
  if (!finish || finish.settled) return;
  finish.settled = true;
  finish.resolve(animation);
}

// After its time has become another.
function settleFinish(playback) {
  if (isOver(playback)) return;
  playback.told = false;
  if (playback.finish?.settled) playback.finish = null;
}

function cancelFinish(playback) {
  const { finish } = playback;
  playback.finish = null;
  playback.told = false;
  if (finish && !finish.settled) {
    apply(taken.then, finish.promise, [undefined, () => {}]); // no page has to care
    finish.reject(new BrowserError("the animation was cancelled", "AbortError"));
  }
  if (playback.hears.cancel) announce(playback, "cancel");
}

// The properties and methods of `Animation`, for playbacks.
const answers = {
  currentTime: ownTime,
  startTime: (playback) => (playback.start === null ? null : playback.start + virtualMs - currentTime * 1000),
  playState: stateOf,
  pending: () => false,
  replaceState: ({ replaced, persisted }) => (replaced ? "removed" : persisted ? "persisted" : "active"),
  ready: (playback) => (playback.ready ??= taken.Promise.resolve(playback.animation)),
  finished: (playback) => finishOf(playback).promise,
};

const changes = {
  currentTime(playback, value) {
    if (value === null) {
      if (ownTime(playback) !== null) throw new TypeError("an animation's time cannot be taken from it: cancel it");
      return;
    }
    sendTo(playback, timeIn(value), playback.hold !== null || playback.start === null);
  },
  // A start time on the page's clock counts from the clock's current time.
  startTime(playback, value) {
    const time = ownTime(playback);
    if (value === null) {
      if (time !== null) sendTo(playback, time, true);
      return;
    }
    playback.start = timeIn(value) - virtualMs + currentTime * 1000;
    playback.hold = playback.rate === 0 ? (time ?? 0) : null;
    playback.byStyle = playback.anchored = false;
    playback.past = null;
    settleFinish(playback);
    playing.add(playback);
    show(playback);
  },
  playbackRate(playback, value) {
    const time = ownTime(playback);
    const paused = playback.start === null;
    setRate(playback, value);
    if (time !== null) sendTo(playback, time, paused);
  },
  timeline(playback, value) {
    release(playback);
    natively.timeline.set(playback.animation, value);
    const now = playbackOf(playback.animation);
    if (now) show(now);
  },
  effect(playback, value) {
    natively.effect.set(playback.animation, value);
    playback.timing = null;
    playback.properties = null;
    settleFinish(playback);
    show(playback);
  },
};

function timeIn(value) {
  const ms = typeof value === "object" && value !== null && "to" in value ? value.to("ms").value : Number(value);
  if (!isFiniteNumber(ms)) throw new TypeError("an animation's time is a finite number of milliseconds");
  return ms;
}
const { isFinite: isFiniteNumber } = Number;

const methods = {
  play: (playback) => sendTo(playback, playFrom(playback)),
  pause(playback) {
    if (playback.start === null && playback.hold !== null) {
      playback.byStyle = false;
      return;
    }
    const time = ownTime(playback);
    sendTo(playback, time ?? playFrom(playback), true);
  },
  reverse(playback) {
    const rate = -playback.rate;
    const from = playFrom(playback, rate);
    setRate(playback, rate);
    sendTo(playback, from);
  },
  updatePlaybackRate(playback, value) {
    const rate = playback.rate;
    const state = stateOf(playback);
    const time = state === "finished" ? freeTime(playback) : ownTime(playback);
    setRate(playback, value);
    if (time === null) return;
    if (state !== "finished" || playback.rate === 0) return void sendTo(playback, time, state === "paused");
    if (rate === playback.rate) return;
    playback.start = now(playback) - time / playback.rate;
    playback.byStyle = playback.anchored = false;
    playback.past = null;
    settleFinish(playback);
    show(playback);
  },
  finish(playback) {
    const { rate } = playback;
    if (rate === 0) throw invalidState("an animation that does not move cannot finish");
    sendTo(playback, endFor(playback, rate));
    resolveFinish(playback);
  },
  cancel(playback) {
    if (stateOf(playback) !== "idle") cancelFinish(playback);
    playback.start = playback.hold = playback.past = playback.shown = null;
    playback.byStyle = playback.anchored = playback.replaced = false;
    natively.cancel(playback.animation);
    playing.delete(playback);
    moved = true;
  },
  persist(playback) {
    playback.persisted = true;
    if (playback.replaced) {
      playback.replaced = false;
      show(playback);
    }
  },
  commitStyles(playback) {
    if (!playback.replaced) return natively.commitStyles(playback.animation);
    playback.replaced = false; // a replaced animation is committed as if it were active
    try {
      show(playback);
      natively.commitStyles(playback.animation);
    } finally {
      playback.replaced = true;
      show(playback);
    }
  },
};

for (const name of Object.keys({ ...answers, ...changes })) {
  const { get, set, ...rest } = nativeProperty(name);
  const property = /** @type {any} */ ({ __proto__: null, ...rest });
  const [answer, change] = [answers[name], changes[name]];
  property.get = answer
    ? function () {
        const playback = playbackOf(this);
        return playback ? answer(playback) : apply(get, this, []);
      }
    : get;
  if (set) {
    property.set = function (value) {
      const playback = playbackOf(this);
      if (playback && change) change(playback, value);
      else apply(set, this, [value]);
    };
  }
  redefine(Animation.prototype, name, property);
}
for (const name of Object.keys(methods)) {
  const original = Animation.prototype[name];
  const method = methods[name];
  override(Animation.prototype, {
    [name](...args) {
      const playback = playbackOf(this);
      return playback ? void method(playback, ...args) : apply(original, this, args);
    },
  });
}

const { updateTiming } = AnimationEffect.prototype;
override(AnimationEffect.prototype, {
  updateTiming(...args) {
    apply(updateTiming, this, args);
    playing.forEach((playback) => {
      if (natively.effect.get(playback.animation) !== this) return;
      playback.timing = null;
      settleFinish(playback);
      show(playback);
    });
  },
});

const animate = Element.prototype.animate;
override(Element.prototype, {
  animate(...args) {
    const animation = apply(animate, this, args);
    const playback = playbackOf(animation);
    if (playback) show(playback);
    return animation;
  },
});
