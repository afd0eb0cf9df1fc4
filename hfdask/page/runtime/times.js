// Makes all other times that a page can read agree with the clock.

// A timeline with another origin differs from the document's by a constant, which the browser's times of both show.
{
  const { prototype } = AnimationTimeline;
  const { DocumentTimeline } = window;
  const { get } = describeProperty(prototype, "currentTime");
  redefine(prototype, "currentTime", {
    __proto__: null,
    configurable: true,
    enumerable: true,
    get() {
      const time = apply(get, this, []);
      if (!(this instanceof DocumentTimeline) || time === null) return time;
      return virtualMs + (Number(time) - Number(apply(get, document.timeline, [])));
    },
  });
}

// An event happened, and an observer saw, when it was first looked at, which is while it is handled.
function stampWhenSeen(prototype, name) {
  const stamps = own(new WeakMap());
  const { get } = describeProperty(prototype, name);
  redefine(prototype, name, {
    __proto__: null,
    configurable: true,
    enumerable: true,
    get() {
      apply(get, this, []); // the browser's own error for what is none
      if (!stamps.has(this)) stamps.set(this, virtualMs);
      return stamps.get(this);
    },
  });
}
stampWhenSeen(Event.prototype, "timeStamp");
stampWhenSeen(IntersectionObserverEntry.prototype, "time");

// Without a date, a format takes the system's.
{
  const { prototype } = Intl.DateTimeFormat;
  const { get } = describeProperty(prototype, "format");
  const formats = own(new WeakMap());
  redefine(prototype, "format", {
    __proto__: null,
    configurable: true,
    get() {
      const format = apply(get, this, []);
      if (!formats.has(this)) formats.set(this, (date) => format(date === undefined ? dateNow() : date));
      return formats.get(this);
    },
  });
  const { formatToParts } = prototype;
  override(prototype, {
    formatToParts(date) {
      return apply(formatToParts, this, [date === undefined ? dateNow() : date]);
    },
  });
}

if (window.Temporal) {
  const { Instant, Now } = Temporal;
  const { fromEpochMilliseconds } = Instant;
  const { toZonedDateTimeISO } = Instant.prototype;
  const { timeZoneId } = Now;
  const instant = () => apply(fromEpochMilliseconds, Instant, [dateNow()]);
  const zoned = (zone) =>
    apply(toZonedDateTimeISO, instant(), [zone === undefined ? apply(timeZoneId, Now, []) : zone]);
  const { toPlainDateTime, toPlainDate, toPlainTime } = Temporal.ZonedDateTime.prototype;
  define(Now, "instant", instant);
  define(Now, "zonedDateTimeISO", zoned);
  define(Now, "plainDateTimeISO", (zone) => apply(toPlainDateTime, zoned(zone), []));
  define(Now, "plainDateISO", (zone) => apply(toPlainDate, zoned(zone), []));
  define(Now, "plainTimeISO", (zone) => apply(toPlainTime, zoned(zone), []));
}

// Marks and measures of the page's own are taken by the clock, too.
{
  const { mark, measure } = Performance.prototype;
  override(Performance.prototype, {
    mark(name, options) {
      return apply(mark, this, [name, { ...options, startTime: options?.startTime ?? virtualMs }]);
    },
    measure(name, ...rest) {
      const [start, end] = rest;
      const isOptions = typeof start === "object" && start !== null;
      const { end: last, duration } = isOptions ? start : { end };
      const open = last === undefined && duration === undefined;
      if (!open) return apply(measure, this, [name, ...rest]);
      return apply(measure, this, [name, { ...(isOptions ? start : { start: start ?? 0 }), end: virtualMs }]);
    },
  });
}

// Without a date of the server's, a document was modified now.
redefine(Document.prototype, "lastModified", {
  __proto__: null,
  configurable: true,
  enumerable: true,
  get: () => "01/01/1970 00:00:00",
});
