// Timers of a page follow its clock (docs/compositions.md, 7.3; docs/decisions/timers.md).
//
// A timer is a moment, like the moments of animations (moments.js): it fires when the clock passes its time, before the frame after
// it, and a chunk that begins later passes it all the same. While a page loads the clock stands at 0, and timers that are set
// then count from there. Single timers of the first second are set-up: they fire before the first frame, in the order of their
// time, when their delay is really over and no file is on its way, so that their effect does not depend on the speed of files.
// Later ones, and intervals, fire while the page loads only if it cannot get ready without them.

const SHORT = 1000; // milliseconds from the start of the page, within which a timer is set-up
const AT_ONCE = 10; // milliseconds of timers that only let others go first: these fire while files are on their way, too
const CLAMPED = { level: 5, delay: 4 }; // as in a browser: repeated timers have at least this delay
const IDLE_PERIOD = 50; // milliseconds from an idle callback to the callback that it requests
const MAX_AT_ONCE = 1000; // timers of set-up that fire before the host looks again
const MAX_LATE = 10; // others
const SOON = 50; // milliseconds that are waited for without a look

const timers = own(new Map()); // id -> timer
const queue = own([]); // {timer, id, due, turn}, the next one first, and some that do not count any more
let nextTimer = 1;
let fired = 0;
let running = null; // the timer whose callback, or what that has left to promises, runs
let runningDue = 0; // when that was due: an interval is due again while its promises still run
let waitsSince = Infinity; // when a frame that waits for promises of the page began, by the real clock

// A frame below a frame of another origin has the real clock. A frame that is made after the page's load has no separate load.
const above = clockAbove();
const isDriven = isTop || Boolean(above?.timers.isDriven());
let begun = Boolean(above?.timers.hasBegun());
const madeAt = begun ? above.getTime() : 0;

function clockAbove() {
  try {
    return isTop ? null : window.parent.__HF_VIRTUAL_TIME__;
  } catch {
    return null; // another origin
  }
}

/** @param {any} handler @param {any} delay @param {unknown[]} args */
function startTimer(handler, delay, args, { repeats = false, idle = false } = {}) {
  const level = running ? running.level + 1 : 0;
  const least = idle && running?.idle ? IDLE_PERIOD : level > CLAMPED.level ? CLAMPED.delay : 0;
  const wanted = delay | 0; // as a browser reads it
  const set = running ? runningDue : soughtMs > madeAt ? soughtMs : madeAt;
  const timer = {
    id: nextTimer++,
    handler,
    args,
    repeats,
    idle,
    level,
    set,
    turn: 0,
    delay: wanted > least ? wanted : least,
  };
  timers.set(timer.id, timer);
  schedule(timer);
  return timer.id;
}

function schedule(timer) {
  timer.due = timer.set + timer.delay;
  timer.since = native.now();
  timer.after = fired;
  enqueue({ timer, id: timer.id, due: timer.due, turn: ++timer.turn });
  if (waitsSince < Infinity || (!begun && isFirst(timer) && timer.delay < AT_ONCE)) fireInTime(timer);
}

// A heap, so that a page with very many timers pays little for each.
function enqueue(entry) {
  let at = queue.length;
  queue.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isEarlier(entry, queue[parent])) break;
    queue[at] = queue[parent];
    at = parent;
  }
  queue[at] = entry;
}

function dequeue() {
  const last = queue.pop();
  const { length } = queue;
  if (!length) return;
  let at = 0;
  for (let child = 1; child < length; child = 2 * at + 1) {
    if (child + 1 < length && isEarlier(queue[child + 1], queue[child])) child++;
    if (!isEarlier(queue[child], last)) break;
    queue[at] = queue[child];
    at = child;
  }
  queue[at] = last;
}

const isEarlier = (a, b) => a.due < b.due || (a.due === b.due && a.id < b.id);
const stillCounts = ({ timer, turn }) => timers.get(timer.id) === timer && timer.turn === turn;

// By the real clock.
function fireInTime(timer) {
  const entry = { timer, turn: timer.turn };
  const fire = () => {
    const stands = stillCounts(entry);
    if (stands && (waitsSince < Infinity || !begun)) ours(() => fireTimer(timer));
  };
  native.setTimeout(fire, timer.since + timer.delay - native.now());
}

const isFirst = ({ repeats, due }) => !repeats && due <= SHORT;
const isSetUp = (timer) => isFirst(timer) && !timer.idle;

function firstTimer() {
  while (queue.length) {
    if (stillCounts(queue[0])) return queue[0].timer;
    dequeue();
  }
  return null;
}

function fireTimer(timer) {
  if (timers.get(timer.id) !== timer) return;
  timer.turn++;
  fired++;
  running = timer;
  runningDue = timer.due;
  if (!timer.repeats) timers.delete(timer.id);
  guarded(() => {
    if (typeof timer.handler === "function") apply(timer.handler, window, timer.args);
    else evaluate(`${timer.handler}`);
  });
  if (timers.get(timer.id) === timer) {
    timer.level++;
    if (timer.level > CLAMPED.level && timer.delay < CLAMPED.delay) timer.delay = CLAMPED.delay;
    timer.set = timer.due;
    schedule(timer);
  }
  if (!begun || waitsSince < Infinity) later(reactions(), () => leaveTimer(timer));
}
// biome-ignore lint/security/noGlobalEval: a timer of a page may be a string
const evaluate = window.eval;

// From now on, timers are not set by a timer. Returns true if a timer has run.
function leaveTimer(timer = running) {
  const left = running !== null && running === timer;
  if (left) running = null;
  return left;
}

// The next moment of this document's timers, in milliseconds of the composition.
function timerMoment() {
  return begun && timers.size ? (firstTimer()?.due ?? Infinity) : Infinity;
}

function allTimersMoment() {
  return childClocks().reduce((first, clock) => Math.min(first, clock.timers.allMoment()), timerMoment());
}

// Fires the timer that is due at a moment; one at a time, as promises come in between. Returns whether it was set before.
function passTimer(ms) {
  if (timerMoment() > ms + ROUNDING) return false;
  const timer = firstTimer();
  const { set } = timer;
  fireTimer(timer);
  return set < ms;
}

// While the page loads: returns the next timer of the page and its frames, or the next timer of the set-up.
function loadingTimer(setUpOnly) {
  let next = null;
  if (!begun) {
    for (const timer of timers.values()) {
      if ((!setUpOnly || isSetUp(timer)) && (!next || isEarlier(timer, next.timer))) next = { timer, fire: fireTimer };
    }
  }
  for (const clock of childClocks()) {
    const other = clock.timers.loadingTimer(setUpOnly);
    if (other && (!next || other.timer.due < next.timer.due)) next = other;
  }
  return next;
}

// Fires the timers whose delay is over or nearly over, until the page is busy or needs no more of them. The host looks at the page in
// between. Returns true if any fired.
async function runLoadingTimers(setUpOnly, hasEnough) {
  const most = setUpOnly ? MAX_AT_ONCE : MAX_LATE;
  for (let count = 0; count < most; count++) {
    const next = ours(() => (hasEnough(setUpOnly) ? null : loadingTimer(setUpOnly)));
    const rest = next ? next.timer.since + next.timer.delay - native.now() : Infinity;
    if (rest > SOON) return count > 0;
    if (rest > 0) await new taken.Promise((done) => native.setTimeout(done, rest));
    ours(() => next.fire(next.timer));
    await reactions();
  }
  return true;
}

// While a frame waits for a promise of the page, timers that were set in the frame fire by the real clock, because the page's clock
// stands still, and the promise may wait for them.
function waitInFrame(since) {
  waitsSince = since;
  if (since < Infinity) for (const timer of timers.values()) if (timer.since >= since) fireInTime(timer);
  for (const clock of childClocks()) clock.timers.waitInFrame(since);
}

if (isDriven) {
  for (const [name, repeats] of /** @type {[string, boolean][]} */ ([
    ["setTimeout", false],
    ["setInterval", true],
  ])) {
    define(window, name, { [name]: (handler, delay, ...args) => startTimer(handler, delay, args, { repeats }) }[name]);
  }
  for (const name of ["clearTimeout", "clearInterval", "cancelIdleCallback"]) {
    define(window, name, { [name]: (id) => void timers.delete(id | 0) }[name]);
  }
  // A browser that draws on request has no idle time. A page that uses all of its idle time is ready all the same.
  define(window, "requestIdleCallback", (callback) => {
    if (typeof callback !== "function") throw new TypeError("requestIdleCallback needs a function");
    return startTimer(() => callback({ didTimeout: false, timeRemaining: () => IDLE_PERIOD }), 0, [], { idle: true });
  });
}
