"""Built-ins that a page replaces: the runtime keeps using the browser's, and the page's code the page's."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from page_samples import box, composition, open_html
from slow import sampled

from hfdask import page
from hfdask.browser import browser_thread
from hfdask.errors import HfdaskError, ScriptError

pytestmark = pytest.mark.browser

MOVING = box('data-start="0.1" data-duration="0.3"', "#f00") + box(
    'id="b"', "#00f", "width:9px;animation:k 1s linear both"
)
STYLE = "@keyframes k { to { transform: translateX(50px) } }"

# Each is done by real scripts in good faith, or could be done by a hostile page.
PATCHES = {
    "a_function": "Array.prototype.filter = Array.prototype.map = function () { return [] }",
    "a_getter": "Object.defineProperty(Element.prototype, 'style', { get() { return {} }, configurable: true })",
    "a_global": "window.Map = window.String = window.MutationObserver = function () { throw Error('mine') }",
    "an_iterator": "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true })",
    "a_method_of_a_document": "document.querySelectorAll = () => []; document.getAnimations = () => []",
    "a_number_of_lists": "Object.defineProperty(Array.prototype, '0', { set() {}, get: () => 1, configurable: true })",
    "what_all_objects_have": "for (const name of ['get', 'set', 'value', 'then', 'end', 'start', 'element', '0']) Object.prototype[name] = () => {}",
    "nothing_left": "delete Array.prototype.push; delete Map.prototype.get; delete Element.prototype.getAttribute; delete window.getComputedStyle",
    "a_frozen_prototype": "Object.freeze(Array.prototype); Object.freeze(Object.prototype); Object.freeze(Map.prototype)",
    "promises": "Promise.prototype.then = Promise.allSettled = Promise.resolve = () => new Promise(() => {})",
    "calls": "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => undefined",
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with open_html(tmp_path_factory.mktemp("honest"), composition(MOVING, style=STYLE)) as page:
        return page.digests(0, 15)


@pytest.mark.sample("an_iterator", "what_all_objects_have")
@pytest.mark.parametrize("patch", sampled(PATCHES.values()), ids=PATCHES)
def test_a_replaced_built_in_changes_no_picture(patch, honest, tmp_path):
    with open_html(tmp_path, composition(MOVING, patch, style=STYLE)) as page:
        assert page.digests(0, 15) == honest
        report = page.report()
        assert [(clip["start"], clip["end"]) for clip in report["clips"]] == [(0.1, pytest.approx(0.4))]


def test_a_built_in_replaced_at_a_frame_changes_no_later_picture(honest, tmp_path):
    lies = "; ".join(patch for name, patch in PATCHES.items() if name != "a_frozen_prototype")
    code = f"addEventListener('hf-seek', e => {{ if (e.detail.time > 0.15 && !window.done) {{ done = 1; {lies} }} }})"
    with open_html(tmp_path, composition(MOVING, code, style=STYLE)) as page:
        assert page.digests(0, 15) == honest


def test_code_of_the_page_has_what_the_page_put_there(tmp_path):
    code = """
      const seen = window.seen = {};
      Array.prototype.map = () => "mine";
      Array.prototype.last = function () { return this[this.length - 1] };
      Object.prototype.then = "mine";
      const look = (where) => { seen[where] = [[1].map(), [1, 2].last(), ({}).then, document.title] };
      Object.defineProperty(document, "title", { get: () => "mine", configurable: true });
      __timelines.main = { duration: () => 2, seek() { look("timeline") } };
      addEventListener("hf-seek", () => look("event"));
      (function again() { look("frame"); requestAnimationFrame(again) })();
      window.__hfAnime = [{ seek() { look("library") } }];
    """
    with open_html(tmp_path, composition(MOVING, code, root="data-duration=2")) as page:
        seen = page.at(3, "JSON.stringify(seen)")
        assert seen.count('["mine",2,"mine","mine"]') == 4
        assert page.value("[[1].map(), Object.prototype.then].join()") == "mine,mine"


def test_a_locked_built_in_is_told(tmp_path):
    code = "Object.defineProperty(Array.prototype, 'push', { value() {}, configurable: false })"
    with pytest.raises(ScriptError, match="replaced push, a built-in"), open_html(tmp_path, composition(MOVING, code)):
        pass


@pytest.mark.parametrize("name", ["__hfdask", "__HF_VIRTUAL_TIME__"])
def test_what_the_host_and_the_frames_above_call_cannot_be_replaced(name, honest, tmp_path):
    code = f"""
      try {{ window.{name} = null }} catch {{}}
      try {{ delete window.{name} }} catch {{}}
      try {{ Object.defineProperty(window, "{name}", {{ value: null }}) }} catch {{}}
      for (const key of Object.keys({name})) try {{ {name}[key] = () => {{ throw Error("mine") }} }} catch {{}}
      for (const key of Object.keys({name}.originals ?? {{}})) try {{ {name}.originals[key] = null }} catch {{}}
    """
    with open_html(tmp_path, composition(MOVING, code, style=STYLE)) as page:
        assert page.digests(0, 15) == honest


@pytest.mark.slow
def test_a_flood_of_errors_is_cut_short(tmp_path):
    code = "for (let i = 0; i < 5000; i++) setTimeout(() => { throw Error('x'.repeat(100_000)) })"
    with pytest.raises(HfdaskError) as caught, open_html(tmp_path, composition(MOVING, code)):
        pass
    assert len(str(caught.value)) < 20_000
    assert len(str(caught.value.details)) < 100_000


def test_the_files_of_the_runtime_share_no_name() -> None:
    """They are one script, in which a name that stands twice is an error, or hides the other one."""
    declared = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (?:[\[{]([^\]}]+)[\]}]|(\w+))", re.MULTILINE)
    names: dict[str, list[str]] = defaultdict(list)
    for file in sorted((Path(page.__file__).parent / "runtime").glob("*.js")):
        if file.name == "fonts.js":  # a separate script
            continue
        for match in declared.finditer(file.read_text("utf-8")):
            for name in re.findall(r"\w+(?=\s*(?:,|$))", match[1] or match[2]):
                names[name].append(file.name)
    assert len(names) > 300
    assert {name: files for name, files in names.items() if len(files) > 1} == {}


METHODS = """(() => {
  const found = {};
  const look = (name, object) => {
    for (const key of Object.getOwnPropertyNames(object)) {
      const { value, enumerable } = Object.getOwnPropertyDescriptor(object, key);
      if (typeof value !== "function" || key === "constructor") continue;
      found[`${name}.${key}`] = `${enumerable} ${Object.hasOwn(value, "prototype")}`;
    }
  };
  look("window", window);
  for (const kind of Object.getOwnPropertyNames(window)) {
    const value = Object.getOwnPropertyDescriptor(window, kind).value;
    if (typeof value === "function" && value.prototype) {
      look(kind, value);
      look(`${kind}.prototype`, value.prototype);
    }
  }
  return found;
})()"""


def test_methods_are_listed_and_can_be_constructed_only_as_the_browsers(tmp_path):
    """Views of scenes bind those to their window that cannot: no other `this` is a window."""

    async def bare() -> Any:
        async with browser_thread().pool.lease("screenshot") as (browser, _):
            context = await browser.playwright.new_context()
            return await (await context.new_page()).evaluate(METHODS)

    native = browser_thread().run(bare(), 30)
    with open_html(tmp_path, composition("")) as page:
        ours = page.value(METHODS)
    assert len(native) > 1000
    assert {name for name, what in ours.items() if what != native.get(name, what)} == set()
