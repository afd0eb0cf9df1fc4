// The moments of animations: their promises, and the events of animations and transitions.
//
// Scripts chain animations by them, so they come in the order of time and at their own time, whichever frames are sought: a
// chunk that begins at a later frame passes all moments before it. The browser's own events, which come with the real frames
// of the compositor, are kept from the page.

let listening = false; // whether a page has asked for any of it
let awaitsSeeks = false; // whether it has listened to `hf-seek`
const heard = { __proto__: null }; // types of events that it listens to
const STYLE_EVENTS = {
  css: { start: "animationstart", round: "animationiteration", end: "animationend", cancel: "animationcancel" },
  transition: { run: "transitionrun", start: "transitionstart", end: "transitionend", cancel: "transitioncancel" },
};
const LEGACY = {
  __proto__: null,
  ...{ animationstart: "webkitAnimationStart", animationiteration: "webkitAnimationIteration" },
  ...{ animationend: "webkitAnimationEnd", transitionend: "webkitTransitionEnd" },
};
const styleEvents = Object.values(STYLE_EVENTS).flatMap(Object.values);
const ofAnimations = ["finish", "cancel", "remove"];
for (const type of [...styleEvents, ...Object.values(LEGACY)]) heard[type] = false;

const { addEventListener: addListener, dispatchEvent: dispatchTo } = EventTarget.prototype;
override(EventTarget.prototype, {
  addEventListener(type, ...rest) {
    hear(this, `${type}`);
    return apply(addListener, this, [type, ...rest]);
  },
});

function hear(target, type) {
  if (target instanceof Animation) {
    const playback = playbackOf(target);
    if (playback) playback.hears[type] = listening = true;
  } else if (type in heard) heard[type] = listening = true;
  else if (type === "hf-seek") awaitsSeeks = true;
}

function hearProperty(object, name) {
  const found = describeProperty(object, name);
  if (!found?.set) return;
  const set = function (value) {
    hear(this, name.slice(2));
    apply(found.set, this, [value]);
  };
  redefine(object, name, { __proto__: null, ...found, set });
}
for (const type of ofAnimations) hearProperty(Animation.prototype, `on${type}`);
for (const { prototype } of [HTMLElement, SVGElement, MathMLElement, Document]) {
  for (const type of Object.keys(heard)) hearProperty(prototype, `on${type.toLowerCase()}`);
}
for (const type of Object.keys(heard)) hearProperty(window, `on${type.toLowerCase()}`);

function hearAttributes() {
  for (const type of Object.keys(heard)) {
    if (!heard[type] && allMatching(`[on${type}]`).length) heard[type] = listening = true;
  }
}

// The browser's own events of animations that are driven here.
//
// While the page loads, an animation can end before it is looked for: between two frames, the browser's timeline takes its time
// from the machine. Then it is in no list of the browser's any more, but it is in the event of its end.
const animationOf = describeProperty(AnimationEvent.prototype, "animation")?.get;
function keepBack(event) {
  if (!event.isTrusted) return;
  if (animationOf && event instanceof AnimationEvent) playbackOf(apply(animationOf, event, []));
  if (!isBrowsers(event)) event.stopImmediatePropagation();
}
const keepBackAll = (target) => {
  for (const type of styleEvents) apply(addListener, target, [type, entering(keepBack), true]);
};
keepBackAll(window);
treeSetUps.push(keepBackAll);

function isBrowsers({ target, animationName }) {
  if (!browserDrives || animationName === undefined || !target.getAnimations) return false;
  const named = target
    .getAnimations({ subtree: true })
    .filter((animation) => animation.animationName === animationName);
  return named.length > 0 && named.every((animation) => !playbackOf(animation));
}

function silence(animation) {
  for (const type of ofAnimations) {
    apply(addListener, animation, [type, (event) => event.isTrusted && event.stopImmediatePropagation()]);
  }
}

const untold = own([]); // {target, event}, to be dispatched
function announce(playback, type) {
  const { animation } = playback;
  const timelineTime = now(playback) + virtualMs - currentTime * 1000;
  const event = new AnimationPlaybackEvent(type, {
    currentTime: type === "finish" ? ownTime(playback) : null,
    timelineTime,
  });
  untold.push({ target: animation, event });
}

function announceStyle(playback, what, elapsed) {
  const { animation, kind } = playback;
  const type = STYLE_EVENTS[kind][what];
  const details = { bubbles: true, elapsedTime: elapsed / 1000, pseudoElement: animation.effect.pseudoElement ?? "" };
  const target = elementOf(animation);
  for (const name of [type, LEGACY[type]]) {
    if (!heard[name]) continue;
    const event =
      kind === "css"
        ? new AnimationEvent(name, { ...details, animationName: animation.animationName })
        : new TransitionEvent(name, { ...details, propertyName: animation.transitionProperty });
    untold.push({ target, event });
  }
}

const hearsStyle = ({ kind }, what) => {
  const type = STYLE_EVENTS[kind][what];
  return Boolean(type) && (heard[type] || Boolean(heard[LEGACY[type]]));
};

// Returns the phase of a playback in its effect.
function phaseOf(playback) {
  const time = ownTime(playback);
  const { delay, activeDuration, duration } = timing(playback);
  if (time < delay || (time === delay && playback.rate < 0)) return { phase: "before", round: 0 };
  const over = time - delay - activeDuration;
  if (over > -ROUNDING && (playback.rate >= 0 || over > 0)) return { phase: "after", round: playback.round };
  return { phase: "active", round: duration > 0 ? Math.floor((time - delay + ROUNDING) / duration) : 0 };
}

// Returns the time of a playback's next moment, in milliseconds of the composition.
function momentOf(playback) {
  const { start, origin, rate } = playback;
  const current = currentTime * 1000;
  const at = (ms) => Math.max(current, start + origin + ms / rate);
  const times = [Infinity];
  const waits = playback.hears.finish || (playback.finish && !playback.finish.settled);
  if (waits && !playback.told && start !== null && rate !== 0) {
    times.push(isOver(playback) ? current : at(rate > 0 ? timing(playback).endTime : 0));
  }
  if (
    playback.kind !== "script" &&
    Object.keys(STYLE_EVENTS[playback.kind]).some((what) => hearsStyle(playback, what))
  ) {
    const { phase, round } = phaseOf(playback);
    const hasMoved = phase !== playback.phase || (round !== playback.round && hearsStyle(playback, "round"));
    times.push(hasMoved ? current : start === null || rate === 0 ? Infinity : at(nextPhase(playback, phase, round)));
  }
  return Math.min(...times);
}

// Returns the animation's own time at which its phase changes, or its round if the page listens to rounds.
function nextPhase(playback, phase, round) {
  const { delay, activeDuration, duration } = timing(playback);
  const forwards = playback.rate > 0;
  if (phase === (forwards ? "after" : "before")) return forwards ? Infinity : -Infinity;
  if (phase === (forwards ? "before" : "after")) return forwards ? delay : delay + activeDuration;
  const end = forwards ? delay + activeDuration : delay;
  if (!hearsStyle(playback, "round") || !(duration > 0)) return end;
  const next = delay + (forwards ? round + 1 : round) * duration;
  return forwards ? Math.min(end, next) : Math.max(end, next - 2 * ROUNDING);
}

// Passes the moments that are due now: promises are resolved at once, and events follow when the promises' handlers have run.
function tellMoments() {
  const due = [...playing].filter((playback) => momentOf(playback) <= currentTime * 1000 + ROUNDING);
  for (const playback of due) {
    if (!playback.told && isOver(playback)) {
      playback.told = true;
      resolveFinish(playback);
      if (playback.hears.finish) announce(playback, "finish");
    }
    if (playback.kind !== "script") tellPhases(playback);
  }
}

// The table of CSS Animations, "Event dispatch". An event that was sent is not sent again if the time went back.
function tellPhases(playback) {
  const { phase: before, round: last } = playback;
  const { phase, round } = phaseOf(playback);
  Object.assign(playback, { phase, round });
  if (currentTime * 1000 <= playback.heard + ROUNDING) return;
  playback.heard = currentTime * 1000;
  const { delay, activeDuration, duration } = timing(playback);
  const first = Math.max(0, Math.min(-delay, activeDuration));
  if (before === "idle" && playback.kind === "transition") announceStyle(playback, "run", first);
  const from = before === "idle" ? "before" : before;
  if (from === phase) {
    if (phase === "active" && round !== last) announceStyle(playback, "round", round * duration);
    return;
  }
  if (from !== "active") announceStyle(playback, "start", from === "before" ? first : activeDuration);
  if (phase !== "active") announceStyle(playback, "end", phase === "after" ? activeDuration : first);
}

// An animation that its style sheet has taken back.
function leavePhase(playback) {
  if (!["before", "active"].includes(playback.phase)) return;
  const { delay, activeDuration } = timing(playback);
  const elapsed = Math.max(0, Math.min(activeDuration, (ownTime(playback) ?? 0) - delay));
  if (hearsStyle(playback, "cancel")) announceStyle(playback, "cancel", elapsed);
}

// The time of the next moment in this document and in its frames.
function nextMoment() {
  let next = untold.length ? currentTime * 1000 : Infinity;
  if (listening) for (const playback of playing) next = Math.min(next, momentOf(playback));
  next = Math.min(next, Math.max(timerMoment(), currentTime * 1000));
  if (window.length) for (const clock of childClocks()) next = Math.min(next, clock.nextMoment());
  return next;
}

// Brings everything driven to a moment; in the top frame the player's parts, too. Returns true if a timer fired that had been set
// before: the number of such timers is finite.
let seekMoment = () => {};
function passMoment(ms) {
  let waited = false;
  if (untold.length) {
    dispatchUntold();
  } else if (ms === passedMs && timerMoment() <= ms + ROUNDING) {
    waited = passTimer(ms); // one of many at this moment, to which all has been brought
  } else {
    currentTime = ms / 1000;
    setClock(ms);
    seekMoment();
    blameless(drive);
    tellMoments();
    waited = passTimer(ms);
    passedMs = ms;
  }
  for (const clock of childClocks()) waited = clock.passMoment(ms) || waited;
  return waited;
}

function dispatchUntold() {
  for (const { target, event } of untold.splice(0)) guarded(() => apply(dispatchTo, target, [event]));
}

// Takes over the animations that handlers have made at this moment.
function closeMoment() {
  if (leaveTimer() || listening) blameless(() => findNewAnimations(true));
  for (const clock of childClocks()) clock.closeMoment();
}

// If timers fire for long without an animation frame, libraries assume that the tab was asleep. So the frame before a timer gets
// its animation frame if the last one was long ago.
const ASLEEP = 250; // milliseconds
function skippedFrame(ms) {
  if (ms - soughtFrameMs <= ASLEEP || allTimersMoment() > ms + ROUNDING) return null;
  const frame = Math.ceil((ms * RATE) / PER_SECONDS / 1000 - 1e-9) - 1;
  return frameTime(frame) * 1000 > Math.max(soughtFrameMs, currentTime * 1000) ? frame : null;
}

function passFrame(frame) {
  currentTime = frameTime(frame);
  setClock(currentTime * 1000);
  seekMoment();
  blameless(drive);
  seekClock(frame);
}

const isDue = (time) => nextMoment() <= time * 1000 + ROUNDING;

// Listeners of a moment may cause other moments. If they do so without end at one time, this number of rounds is the limit.
const MAX_ROUNDS = 1000;
async function passMoments(time) {
  for (let rounds = 0, last = -1; ours(() => isDue(time)); ) {
    const at = ours(() => Math.min(nextMoment(), time * 1000));
    if (at !== last) rounds = 0;
    last = at;
    const frame = ours(() => skippedFrame(at));
    if (frame !== null) {
      ours(() => passFrame(frame));
      await reactions();
    }
    if (rounds > MAX_ROUNDS) {
      ours(() => addProblem(`animations and timers start each other without end at ${at / 1000} s`));
      return;
    }
    if (!ours(() => passMoment(at))) rounds++;
    await reactions();
    ours(closeMoment);
  }
}

// Waits until the handlers of the resolved promises have run.
const turns = new MessageChannel();
const waitingTurns = own([]);
turns.port1.onmessage = () => waitingTurns.shift()();
const nextTurn = turns.port2.postMessage.bind(turns.port2);
function reactions() {
  return new taken.Promise((done) => {
    waitingTurns.push(done);
    nextTurn(null);
  });
}
