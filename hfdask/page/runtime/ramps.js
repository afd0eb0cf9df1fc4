// Read speed ramps, which are the lane `rate` of `data-automation` (docs/compositions.md, 9.5), and compute when a clip with one ends.
// `hfdask/core/video_clip.py` computes the same ramps for each frame.

const MAX_POINTS = 512;
const CELLS = 48; // from one point to the next
const NO_RAMP = { points: [], problem: "" };

function rampOf(element) {
  const text = element.getAttribute("data-automation");
  return text === null || text.trim() === "" ? NO_RAMP : readRamp(text);
}

function readRamp(text) {
  const bad = (problem) => ({ points: [], problem: `data-automation ${problem}` });
  const read = parsed(text);
  if (!read || typeof read !== "object") return bad("is not a JSON object");
  if (read.version !== 1) return bad(`has version ${cut(String(read.version), 50)}; only version 1 is known`);
  if (!Array.isArray(read.lanes)) return bad("has no list of lanes");
  let points = [];
  for (const lane of read.lanes) {
    if (!isTarget(lane?.target)) return bad(`has a lane without a known target, such as "rate" or "volume"`);
    if (!Array.isArray(lane.points)) return bad(`has a lane "${cut(lane.target, 50)}" without points`);
    if (lane.target === "rate") points = pointsInOrder(lane.points.map(ratePoint).filter(Boolean));
  }
  return { points, problem: "" };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isTarget(target) {
  return typeof target === "string" && (target === "volume" || target === "rate" || /^fx\.[^.]+\.[^.]+$/.test(target));
}

// Sort points by time. Of several points at the same time, keep only the last one.
function pointsInOrder(points) {
  const sorted = points.toSorted((a, b) => a.t - b.t);
  return sorted.filter((point, i) => sorted[i + 1]?.t !== point.t).slice(0, MAX_POINTS);
}

function ratePoint(written) {
  const [t, v] = [numberOf(written?.t), numberOf(written?.v)];
  if (t === null || v === null) return null;
  const curve = Math.min(1, Math.max(-1, numberOf(written.curve) ?? 0));
  return { t: Math.max(0, t), v: Math.min(MAX_RATE, Math.max(MIN_RATE, v)), curve, via: viaOf(written) };
}

function viaOf({ viaX, viaY }) {
  const [x, y] = [viaX, viaY].map(numberOf);
  if (x === null || y === null) return null;
  const via = [x, y].map((share) => Math.min(0.999, Math.max(0.001, share)));
  return Math.abs(via[0] - via[1]) < 1e-6 ? null : via;
}

function numberOf(written) {
  if (typeof written === "string") return strictNumber(written);
  return typeof written === "number" && Number.isFinite(written) ? written : null;
}

// Return the seconds of a clip after which it has played `seconds` of its source.
function timeWhenPlayed(points, seconds) {
  let [time, played, rate] = [0, 0, points[0].v];
  for (const [until, reached] of cellsOf(points)) {
    const gained = ((rate + reached) / 2) * (until - time);
    if (played + gained > seconds) return time + ((until - time) * (seconds - played)) / gained;
    [time, played, rate] = [until, played + gained, reached];
  }
  return time + (seconds - played) / rate;
}

// Return how many seconds of its source a clip has played after `seconds`.
function playedAt(points, seconds) {
  let [time, played, rate] = [0, 0, points[0].v];
  for (const [until, reached] of cellsOf(points)) {
    if (until > seconds) return played + ((rate + reached) / 2) * (seconds - time);
    [time, played, rate] = [until, played + ((rate + reached) / 2) * (until - time), reached];
  }
  return played + (seconds - time) * rate;
}

function* cellsOf(points) {
  if (points[0].t > 0) yield [points[0].t, points[0].v];
  for (let i = 0; i + 1 < points.length; i++) {
    const [from, to] = [points[i], points[i + 1]];
    for (let cell = 1; cell <= CELLS; cell++) {
      const x = cell / CELLS;
      const shaped = from.via ? through(x, ...from.via) : x ** (2 ** (2 * from.curve));
      yield [cell === CELLS ? to.t : from.t + (to.t - from.t) * x, from.v * (to.v / from.v) ** shaped];
    }
  }
}

// Return the height at `x` of the conic from (0, 0) to (1, 1) whose middle is the via point.
function through(x, viaX, viaY) {
  const edge = 0.999;
  const needed = [viaX, viaY].map((via) => Math.abs(via - 0.5) / Math.max(edge - Math.max(via, 1 - via), 1e-9));
  const weight = Math.min(1e6, Math.max(1, ...needed));
  const [controlX, controlY] = [viaX, viaY].map((via) => via + (via - 0.5) / weight);
  const spread = 2 - 2 * weight;
  const a = x * spread - 1 + 2 * weight * controlX;
  const b = -x * spread - 2 * weight * controlX;
  const root = Math.sqrt(Math.max(0, b * b - 4 * a * x));
  const roots = Math.abs(a) < 1e-12 ? [-x / b] : [(root - b) / (2 * a), (-root - b) / (2 * a)];
  const s = Math.min(1, Math.max(0, roots.find((each) => each >= -1e-9 && each <= 1 + 1e-9) ?? x));
  return (2 * weight * controlY * s * (1 - s) + s * s) / ((1 - s) ** 2 + 2 * weight * s * (1 - s) + s * s);
}
