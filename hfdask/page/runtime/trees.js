// The trees of a document: its own and every shadow tree in it, so that whatever is driven in the one is driven in the others.
// Roots come from `attachShadow`, from markup (found among added nodes), or from the host: only the host can reach a closed root
// that markup made.

const rootOf = own(new WeakMap()); // host -> shadow root
let hasTrees = false; // true since the first one, also if it is removed
const shadowRoots = own(new Set()); // of hosts in the document

const attachShadow = Element.prototype.attachShadow;
override(Element.prototype, {
  attachShadow(...args) {
    const root = apply(attachShadow, this, args);
    ours(() => adoptTree(root));
    return root;
  },
});

// Called once a tree is known, by each that watches trees.
const treeSetUps = [];
function adoptTree(root) {
  const isNew = !rootOf.has(root.host);
  rootOf.set(root.host, root);
  hasTrees = true;
  shadowRoots.add(root);
  if (isNew) for (const setUp of treeSetUps) setUp(root);
  adoptTreesIn(root);
}

function adoptTreesIn(node) {
  if (node.nodeType === Node.ELEMENT_NODE) adoptTreeOf(node);
  for (const element of node.querySelectorAll("*")) adoptTreeOf(element);
}

function adoptTreeOf(element) {
  const root = element.shadowRoot ?? rootOf.get(element);
  if (root && !shadowRoots.has(root)) adoptTree(root);
}

// If many nodes were added, as while a page loads, one look at the whole document is faster than a look at each node.
const MANY_NODES = 50;
function noteTrees(records) {
  const added = new Set(records.flatMap((record) => [...record.addedNodes]));
  const elements = [...added].filter((node) => node.nodeType === Node.ELEMENT_NODE && node.isConnected);
  if (elements.length < MANY_NODES) for (const element of elements) adoptTreesIn(element);
  else for (const tree of trees()) adoptTreesIn(tree);
  if (document.readyState === "loading") adoptLateTrees();
}

// While the page is parsed, markup may give a shadow tree to an element that has been looked at, without a record. It can
// only be an element that was open at the last look: the last one of its tree, or an element around that.
let wereOpen = [];
function adoptLateTrees() {
  for (const element of wereOpen) adoptTreeOf(element);
  wereOpen = [...openElements(document)];
}
function* openElements(tree) {
  for (let last = tree.lastElementChild; last; last = last.lastElementChild) {
    yield last;
    if (last.shadowRoot) yield* openElements(last.shadowRoot);
  }
}
document.addEventListener("DOMContentLoaded", entering(adoptLateTrees));

// Returns the document and its shadow trees. A host that is removed and inserted again is found at its new place.
function trees() {
  if (!shadowRoots.size) return [document];
  for (const root of shadowRoots) if (!root.isConnected) shadowRoots.delete(root);
  return [document, ...shadowRoots];
}

// In all trees of this document.
function allMatching(selector) {
  return trees().flatMap((tree) => [...tree.querySelectorAll(selector)]);
}

function allImages() {
  return shadowRoots.size ? allMatching("img") : [...document.images];
}
