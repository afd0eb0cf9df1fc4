// The base style sheet goes in front of the author's as soon as there is a place for it, so that scripts that
// measure text while the page loads measure what will be drawn.

// `will-change: contents` keeps animated elements from getting their own layers. The compositor chooses a layer's raster
// scale and offset by what it showed before, so a frame would differ by a few edge pixels with the frames before it.
// Controls of videos and sounds are hidden, because they would show the browser's own time.
// A hosted page is drawn as a whole, without layers. In it, a nested canvas would be drawn at the wrong place without `contain`.
const WAY = config.hosted ? "canvas{contain:paint!important}" : "html{will-change:contents!important}";
const BASE =
  WAY +
  "html,body,*{text-rendering:geometricPrecision}" +
  ":is(video,audio)::-webkit-media-controls{display:none!important}";
// A document without <html>, <head> and <body> tags is a fragment, and gets a page around it (docs/compositions.md, 1.3).
const FRAGMENT = "*{box-sizing:border-box;margin:0;padding:0}html,body{font-family:Inter,sans-serif}";
const BLACK = "html,body{background:#000}";

function addBaseStyle() {
  const parent = document.head ?? (document.body ? document.documentElement : null);
  if (!parent) return false;
  const style = document.createElement("style");
  style.textContent = config.fragment && isTop ? BASE + FRAGMENT + (config.transparent ? "" : BLACK) : BASE;
  parent.prepend(style);
  return true;
}

documentSetUps.push(() => {
  if (addBaseStyle()) return;
  const waiting = new MutationObserver(
    entering(() => {
      if (addBaseStyle()) waiting.disconnect();
    }),
  );
  waiting.observe(document, { childList: true, subtree: true });
});

function rulesOf(sheet) {
  try {
    return sheet.cssRules;
  } catch {
    return []; // of another origin, which the network refuses anyway
  }
}

// The name of a font's family as styles compare it.
const unquoted = (family) => family.replace(/^["']|["']$/g, "").toLowerCase();
