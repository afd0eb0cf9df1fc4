// Moves that an editor has made of elements, whose animations stay as they are (docs/compositions.md, 2.4).

const MOVED = "[data-hf-edit-base-x],[data-hf-edit-base-y]";

// An element is moved by the difference of its place and the place before the edit, in pixels. Called once, when timelines are bound:
// GSAP reads an element's transforms when it first animates it, and must not take the move for one of them.
function moveEdited() {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(MOVED))) {
    const [x, y] = ["x", "y"].map((axis) => moveOf(element, axis));
    if (!element.style || (x === 0 && y === 0)) continue;
    guarded(() => window.gsap?.getProperty?.(element, "x"));
    const before = getComputedStyle(element).translate;
    const [left = "0px", top = "0px", ...depth] = before === "none" ? [] : splitSelector(before, " ");
    element.style.translate = [`calc(${left} + ${x}px)`, `calc(${top} + ${y}px)`, ...depth].join(" ");
  }
}

function moveOf(element, axis) {
  const place = numberAttribute(element, `data-${axis}`);
  const before = numberAttribute(element, `data-hf-edit-base-${axis}`);
  return place === null || before === null ? 0 : place - before;
}
