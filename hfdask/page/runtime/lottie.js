// Lottie: computes the position of players at a time, as if they had played since time 0 with their set-up from the load.
//
// They play by steps, from frame to frame, and so depend on every frame before. Here the same rules (speed, direction, loops,
// segments) are followed for any time at once.

function lottieList() {
  const library = window.lottie;
  const own = library?.getRegisteredAnimations && guarded(() => library.getRegisteredAnimations());
  return registered("__hfLottie", own).filter((animation) => !isDestroyed(animation));
}
const isDestroyed = ({ renderer }) => renderer === null;

const lottie = {
  name: "lottie",
  seek(time) {
    for (const animation of lottieList()) guarded(() => seekLottie(animation, time));
  },
  end: () => Math.max(0, ...lottieList().map(lottieEnd)),
  used: () => lottieList().length > 0,
};

function seekLottie(animation, time) {
  if (isLottieWeb(animation)) {
    const start = lottieStart(animation);
    if (start) showLottie(animation, lottieAt(start, time));
  } else if (animation.goToAndStop) {
    animation.goToAndStop(time * 1000, false);
  } else if (animation.setFrame && dotLottieRound(animation).rate > 0) {
    animation.pause?.();
    animation.setFrame(dotLottieFrame(animation, time));
  } else {
    animation.pause?.();
    animation.seek?.(`${Math.min(100, (time / Number(animation.duration)) * 100)}%`);
  }
}

const isLottieWeb = (animation) => "currentRawFrame" in animation && "frameModifier" in animation;

// The state of each player when time began. A player that the page has paused or moved rests, unless it is in `__hfLottie`.
// A player that was only made without autoplay is played, too: in this way pages leave it to the renderer.
const lottieStarts = new WeakMap();
function lottieStart(animation) {
  if (!lottieStarts.has(animation)) {
    if (!animation.isLoaded) return null;
    const touched = animation.isPaused && (animation.autoplay || animation.currentRawFrame !== 0);
    if (touched && !registered("__hfLottie").includes(animation)) return null;
    lottieStarts.set(animation, lottieState(animation));
  }
  return lottieStarts.get(animation);
}

function lottieState(animation) {
  const rate = animation.frameModifier * 1000; // frames a second, below 0 backwards
  return {
    first: animation.firstFrame,
    total: animation.totalFrames,
    frame: animation.isPaused && rate > 0 ? 0 : animation.currentRawFrame,
    rate,
    loop: animation.loop,
    count: animation.playCount,
    segments: [...(animation.segments ?? [])],
  };
}

const exactly = (frames) => Math.round(frames * 1e6) / 1e6; // 29.999999999 is frame 30

// Lottie-web's `advanceTime` for any time: forwards the last round ends with the last frame, and others with the whole of it; what
// waits as a segment follows the end of a round.
function lottieAt(start, seconds) {
  let { first, total, frame, rate, loop, count } = start;
  const waiting = [...start.segments];
  let left = exactly(seconds * Math.abs(rate));
  while (left > 0 && total > 0) {
    const isLast = !loop || (rate > 0 && count === loop);
    const way = rate > 0 ? Math.max(0, total - (isLast ? 1 : 0) - frame) : frame;
    if (rate > 0 ? left < way : left <= way) {
      frame += rate > 0 ? left : -left;
      break;
    }
    left -= way;
    if (waiting.length) {
      count = 0;
      const [from, to] = waiting.shift();
      if (from === to) continue;
      first = Math.min(from, to);
      total = Math.abs(to - from);
      rate = to > from ? Math.abs(rate) : -Math.abs(rate);
      frame = to > from ? 0.001 : total - 0.001;
    } else if (rate > 0) {
      frame = isLast ? total - 1 : 0;
      if (isLast) break;
      const rounds = Math.min(Math.floor(left / total), loop === true ? Infinity : Math.max(0, loop - count - 1));
      count += 1 + rounds;
      left = exactly(left - rounds * total);
    } else {
      const again = loop === true || (loop && count > 0);
      frame = again ? total : 0;
      if (!again) break;
      const rounds = Math.min(Math.ceil(left / total) - 1, loop === true ? Infinity : count - 1);
      count -= 1 + rounds;
      left = exactly(left - rounds * total);
    }
  }
  return { first, total, frame: exactly(frame) };
}

function showLottie(animation, { first, total, frame }) {
  if (first !== animation.firstFrame || total !== animation.totalFrames) {
    Object.assign(animation, { firstFrame: first, totalFrames: total, timeCompleted: total });
  }
  animation.goToAndStop(frame, true);
}

// Seconds to the end of the playback, or of one round if there is no end.
function lottieEnd(animation) {
  if (isLottieWeb(animation) && animation.isLoaded) {
    const { total, rate, loop, count, segments } = lottieStarts.get(animation) ?? lottieState(animation);
    if (!rate) return 0;
    const rounds = typeof loop === "number" && loop > 0 ? Math.max(1, loop - count + 1) : 1;
    const frames = segments.reduce((sum, [from, to]) => sum + Math.abs(to - from), total * rounds);
    return finiteSeconds(frames / Math.abs(rate));
  }
  if (animation.setFrame) {
    const { rate, span, passes, rounds } = dotLottieRound(animation);
    return finiteSeconds((span * passes * (rounds === Infinity ? 1 : rounds) + 1) / rate);
  }
  return finiteSeconds(Number(animation.getDuration?.(false) ?? animation.duration));
}

const finiteSeconds = (seconds) => (Number.isFinite(seconds) ? seconds : 0);

// A dotLottie player goes from one end of its segment to the other, shows both ends, and goes back if it bounces.
function dotLottieRound(animation) {
  const total = Number(animation.totalFrames);
  const [first, last] = animation.segment?.length === 2 ? animation.segment : [0, total - 1];
  const mode = String(animation.mode ?? "forward");
  const counted = Number(animation._dotLottieCore?.loop_count?.()) || Infinity; // the player only reports its finished rounds
  return {
    first,
    last,
    span: last - first,
    rate: (total / Number(animation.duration)) * Number(animation.speed ?? 1),
    reverse: mode.startsWith("reverse"),
    passes: mode.endsWith("bounce") ? 2 : 1,
    rounds: animation.loop ? counted : 1,
  };
}

function dotLottieFrame(animation, seconds) {
  const { first, last, span, rate, reverse, passes, rounds } = dotLottieRound(animation);
  const round = span * passes;
  const way = exactly(seconds * rate);
  let at = way > 0 && round > 0 ? exactly(way - round * (Math.ceil(way / round) - 1)) : 0; // the end of a round is seen, not its start
  if (way >= round * rounds) at = animation.loop ? 0 : round; // counted loops go back to their start
  if (at > span) at = round - at;
  const frame = reverse ? last - at : first + at;
  return animation.useFrameInterpolation === false ? Math.round(frame) : frame;
}

const ENDS = ["complete", "loopComplete", "segmentStart"];
function warnOfLottie() {
  for (const animation of lottieList()) {
    if (!isLottieWeb(animation)) continue;
    if (
      ENDS.some((name) => animation._cbs?.[name]?.length || animation[`on${name[0].toUpperCase()}${name.slice(1)}`])
    ) {
      warn("a Lottie animation calls a script when a round ends, which a render never does: use the time of the frame");
    }
  }
}

// Promises of a player's files, made at the first moment, because a failure is reported only once.
const lottieLoads = new WeakMap();
function lottieLoaded(animation) {
  if (animation.isLoaded !== false || !animation.addEventListener || isDestroyed(animation)) return null;
  if (!lottieLoads.has(animation))
    lottieLoads.set(
      animation,
      new Promise((done) => {
        for (const name of ["DOMLoaded", "load", "destroy"]) animation.addEventListener(name, done);
        for (const name of ["data_failed", "loadError"]) {
          animation.addEventListener(name, () => {
            addProblem(`a Lottie animation has no data: ${animation.path ?? ""}${animation.fileName ?? ""}`);
            done(null);
          });
        }
      }),
    );
  return lottieLoads.get(animation);
}

let lottieObject;
Object.defineProperty(window, "lottie", {
  configurable: true,
  enumerable: true,
  get: () => lottieObject,
  set(value) {
    lottieObject = value;
    const load = value?.loadAnimation;
    if (!load) return;
    value.loadAnimation = (options) => {
      const animation = load.call(value, options);
      lottieLoaded(animation);
      return animation;
    };
  },
});
