// The base style sheet goes in front of the author's as soon as there is a place for it, so that scripts that
// measure text while the page loads measure what will be drawn.

const BASE = "html,body,*{text-rendering:geometricPrecision}";
// A document without <html>, <head> and <body> tags is a fragment, and gets a page around it (contract 1.1).
const FRAGMENT = "*{box-sizing:border-box;margin:0;padding:0}html,body{background:#000;font-family:Inter,sans-serif}";

new MutationObserver((_, observer) => {
  const parent = document.head ?? (document.body ? document.documentElement : null);
  if (!parent) return;
  observer.disconnect();
  const style = document.createElement("style");
  style.textContent = config.fragment ? BASE + FRAGMENT : BASE;
  parent.prepend(style);
}).observe(document, { childList: true, subtree: true });
