// Observers of a page are called by the browser when a frame has been laid out, or after that, and what they change is seen a
// frame later. Here it belongs to the frame itself: such a page gets further rendering opportunities before a picture is
// taken, until nothing changes any more. Pages without observers never pay for it.

let observers = 0; // that were made, of any kind
let skipping = false; // `content-visibility` leaves out what is not near the viewport, and finds out a frame later
const intersections = own(new Map()); // observer -> callback, while it observes something

const { construct } = Reflect;
/** @param {string} name */
function watchObservers(name) {
  const Observer = window[name];
  const made = new Proxy(Observer, {
    construct(target, args, newTarget) {
      const callback = args[0];
      if (typeof callback === "function") {
        args[0] = function (...inner) {
          return whileObserving(callback, this, inner);
        };
      }
      const observer = construct(target, args, newTarget === made ? target : newTarget);
      observers++;
      callbacks.set(observer, args[0]);
      return observer;
    },
  });
  const { observe } = Observer.prototype;
  define(Observer.prototype, "constructor", made);
  override(Observer.prototype, {
    observe(...args) {
      apply(observe, this, args);
      if (this instanceof Intersections) intersections.set(this, callbacks.get(this));
      moved = true; // it is called for the first time although nothing does
    },
  });
  define(window, name, made);
}

const { IntersectionObserver: Intersections } = window;
const callbacks = own(new WeakMap());
watchObservers("IntersectionObserver");
watchObservers("ResizeObserver");

function whileObserving(callback, observer, args) {
  const before = observing;
  observing = true;
  try {
    return apply(callback, observer, args);
  } finally {
    observing = before;
  }
}

const { disconnect, takeRecords } = Intersections.prototype;
override(Intersections.prototype, {
  disconnect() {
    apply(disconnect, this, []);
    intersections.delete(this);
  },
});

documentSetUps.push(() => {
  const note = () => {
    skipping = moved = true;
  };
  document.addEventListener("contentvisibilityautostatechange", note, true);
});

function observes() {
  return observers > 0 || skipping || childClocks().some((clock) => clock.observes());
}

// Calls the observers for which the browser has entries, instead of waiting for the browser's own task, and then the callbacks
// that they requested. Returns true if any was called.
function notify() {
  let any = false;
  for (const [observer, callback] of [...intersections]) {
    const records = apply(takeRecords, observer, []);
    if (!records.length) continue;
    any = true;
    theirs(() => caught(() => apply(callback, observer, [records, observer])));
  }
  any = runObserved() || any;
  for (const clock of childClocks()) any = clock.notify() || any;
  return any;
}
