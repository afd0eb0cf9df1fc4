// A composition whose pictures are taken from a canvas is in a frame of a host's document (host.js). It sees itself as the top
// window, except for `top` and `location.ancestorOrigins`, which nothing can change.
if (config.hosted && isTop) {
  const seen = { parent: window, frameElement: null };
  for (const name of ownKeys(seen)) {
    redefine(window, name, { __proto__: null, get: () => seen[name], configurable: true, enumerable: true });
  }
  define(Document.prototype, "hasFocus", () => true);
}
