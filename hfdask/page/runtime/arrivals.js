// What scripts load once the video has begun, and hear of by events. A frame of the video waits for it (docs/compositions.md, 8.2).

const arriving = own(new Map()); // what is loaded -> {there, end}: a promise of it, and what ends the wait
const PATIENCE = 10_000; // milliseconds

// Wait for one of these events of an object, and no longer than some milliseconds. Return what ends the wait.
function expect(object, events = ["load", "error"], patience = PATIENCE) {
  if (!begun) return () => {};
  const known = arriving.get(object);
  if (known) return known.end;
  const arrival = { there: null, end: () => {} };
  arrival.there = new taken.Promise((done) => {
    arrival.end = () => {
      native.clearTimeout(timer);
      if (arriving.get(object) === arrival) arriving.delete(object);
      done(object);
    };
  });
  arriving.set(object, arrival);
  for (const name of events) apply(listenFor, object, [name, arrival.end, { once: true }]);
  const timer = native.setTimeout(arrival.end, patience);
  return arrival.end;
}

function expectIn(element) {
  if (!begun) return;
  expectElement(element);
  for (const inner of element.querySelectorAll("iframe,link,script")) expectElement(inner);
}

function sheetIsComing(link) {
  const isSheet = link.relList.contains("stylesheet") && link.href !== "" && /^$|css/i.test(link.type);
  return isSheet && !link.sheet && !link.disabled;
}

const loads = {
  __proto__: null,
  // An empty document is there at once.
  iframe: (frame) =>
    frame.loading !== "lazy" &&
    (frame.hasAttribute("srcdoc") || (frame.src !== "" && !/^(?:about:blank|javascript:)/i.test(frame.src))),
  img: (image) =>
    (image.hasAttribute("src") || image.hasAttribute("srcset")) && (image.loading !== "lazy" || image.isConnected),
  link: sheetIsComing,
  // A script that a parser has made for `innerHTML` never runs.
  script: (script) =>
    madeScripts.has(script) &&
    script.src !== "" &&
    !script.noModule &&
    /^$|module|(?:java|ecma)script/i.test(script.type),
};
function expectElement(element) {
  if (loads[element.localName]?.(element)) expect(element);
}

// Nothing comes into a frame or from a link that was removed, or into a picture that has lost its source.
function dropLost() {
  for (const [object, { end }] of [...arriving]) {
    const element = /** @type {any} */ (object);
    const isLost =
      element.localName === "img"
        ? !loads.img(element)
        : ["iframe", "link"].includes(element.localName) && !element.isConnected;
    if (isLost) end();
  }
}

function comingArrivals() {
  if (arriving.size) dropLost();
  const here = Array.from(arriving.values(), ({ there }) => there);
  return [...here, ...childClocks().flatMap((clock) => clock.comingArrivals())];
}

// Pictures need not be in the document.
const images = HTMLImageElement.prototype;
for (const name of ["src", "srcset"]) {
  const property = propertyOf(images, name);
  const set = function (value) {
    apply(property.set, this, [value]);
    expectElement(this);
  };
  redefine(images, name, { ...property, set });
}
{
  const { setAttribute } = Element.prototype;
  override(Element.prototype, {
    setAttribute(...args) {
      apply(setAttribute, this, args);
      if (begun && this instanceof HTMLImageElement) expectElement(this);
    },
  });
}

// Begin what was expected. If the browser refuses, nothing comes.
function begin(end, start, object, args) {
  try {
    return apply(start, object, args);
  } catch (error) {
    end();
    throw error;
  }
}

for (const [{ prototype }, ...names] of /** @type {[any, ...string[]][]} */ ([
  [XMLHttpRequest, "send"],
  [FileReader, "readAsArrayBuffer", "readAsBinaryString", "readAsDataURL", "readAsText"],
])) {
  for (const name of names) {
    const start = prototype[name];
    override(prototype, {
      [name](...args) {
        return begin(expect(this, ["loadend"]), start, this, args);
      },
    });
  }
}
{
  const { toBlob } = HTMLCanvasElement.prototype;
  override(HTMLCanvasElement.prototype, {
    toBlob(callback, ...options) {
      if (typeof callback !== "function") return apply(toBlob, this, [callback, ...options]);
      const end = expect({}, []);
      const give = function (blob) {
        end();
        return apply(callback, this, [blob]);
      };
      return begin(end, toBlob, this, [give, ...options]);
    },
  });
}
