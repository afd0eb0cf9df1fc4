"""Lies through built-ins: whatever name the runtime reads of an object, a page has put something else there.

The names are taken from the runtime's own sources. If a built-in object or prototype has the name, its function or
getter is replaced; if none has, every plain object answers to it, by a getter on `Object.prototype`. The page
that lies uses everything that the runtime drives, and uses none of the built-ins itself once they lie, so it must come
out as if they did not, or be refused.
"""

from __future__ import annotations

import json
import random
import re
from functools import cache
from importlib import resources

from case import Case, Files

STAGE = """<!doctype html><html><head><style>
@keyframes slide {{ from {{ transform: translateX(0) }} to {{ transform: translateX(40px) }} }}
#root > div {{ position: absolute; width: 10px; height: 8px }}
#styled {{ top: 0; background: #f00; animation: slide .6s linear both }}
#scripted {{ top: 9px; background: #0f0 }} #timed {{ top: 18px; background: #00f }} #clip {{ top: 27px; background: #ff0 }}
#late {{ top: 36px; background: var(--tint) }} canvas, svg, iframe {{ position: absolute; border: 0 }}
</style>{head}</head><body><div id="root" data-composition-id="main" data-width="64" data-height="64" data-duration="0.6"
 data-composition-variables='[{{"id":"tint","type":"color","default":"#0ff"}}]' style="background:#123">
<div id="styled"></div><div id="scripted"></div><div id="timed"></div>
<div id="clip" data-start="0.1" data-duration="0.3"></div><div id="late" data-start="clip - 0.1"></div>
<section data-composition-id="inner" data-start="0.2" data-duration="0.3" data-no-timeline></section>
<canvas width="10" height="8" style="top:36px;left:40px"></canvas>
<svg width="20" height="8" style="top:45px;left:0"><rect width="4" height="8" fill="#f0f"><animate attributeName="x" from="0" to="16" dur="0.6s" fill="freeze"/></rect></svg>
<iframe width="20" height="8" style="top:45px;left:40px" srcdoc="<style>body{{margin:0}}@keyframes k{{to{{margin-left:16px}}}}i{{display:block;width:4px;height:8px;background:%23fa0;background:orange;animation:k .6s linear both}}</style><i></i>"></iframe>
</div>
<template id="inner-template"><div data-composition-id="inner" style="position:absolute;top:54px;width:64px;height:8px">
<style>p {{ margin: 0; height: 8px; background: #f88; width: 30px }}</style><p></p></div></template>
<script>
const scripted = document.getElementById("scripted"), timed = document.getElementById("timed").style;
const paint = document.querySelector("canvas").getContext("2d"), now = performance.now.bind(performance), later = requestAnimationFrame;
scripted.animate({{ transform: ["translateX(0)", "translateX(40px)"] }}, {{ duration: 600, fill: "both" }});
window.__timelines = {{ main: {{ duration: () => 0.6, seek(time) {{ timed.left = time * 60 + "px" }}, pause() {{}} }} }};
function draw() {{ const t = now(); paint.fillStyle = t < 300 ? "#fff" : "#888"; paint.fillRect(0, 0, 10, 8); later(draw) }}
later(draw);
</script>{end}</body></html>"""
"""A page with clips, a mounted template, variables, and all that moves without a library, six frames long."""

TELL = """((name, how) => {
  const define = Object.defineProperty, describe = Object.getOwnPropertyDescriptor, truth = Symbol("truth");
  const lies = {
    throws() { throw Error("a lie about " + name) },
    nothing() {},
    nowhere() { return null },
    number() { return NaN },
    list() { return [] },
    text() { return "a lie" },
    always() { return true },
    self() { return this },
    never() { return { then() {} } },
    huge() { return "x".repeat(1 << 24) },
    endless() { for (;;); },
    all() { return document.querySelectorAll("*") },
    deep() { return new Proxy(function () {}, { get: (_, key) => key === Symbol.toPrimitive ? () => "deep" : lies.deep(), apply: () => lies.deep() }) },
  };
  const lie = lies[how], objects = new Set([window, document]);
  for (const key of Object.getOwnPropertyNames(window)) {
    const value = describe(window, key).value;
    if (typeof value === "function" && value.prototype) objects.add(value).add(value.prototype);
    else if (value && typeof value === "object" && /^[A-Z]/.test(key)) objects.add(value);
  }
  for (const iterable of [[], new Map(), new Set(), "", "".matchAll(/x/g)]) objects.add(Object.getPrototypeOf(iterable[Symbol.iterator]()));
  objects.add(Object.getPrototypeOf((function* () {})())).add(Object.getPrototypeOf(function* () {}).prototype);
  const key = name.startsWith("@@") ? Symbol[name.slice(2)] : name;
  let found = false;
  for (const object of objects) {
    const known = describe(object, key);
    if (!known?.configurable || (name === "constructor" && object === Object.prototype)) continue;
    if (typeof known.value === "function") define(object, key, { ...known, value: lie });
    else if (known.get) define(object, key, { ...known, get: lie });
    else continue;
    found = true;
  }
  if (!found) define(Object.prototype, key, { get: lie, set() {}, configurable: true });
})"""

# Kinds of lies. A lie that never returns costs a time limit, so it is rare.
_HOW = ("throws", "nothing", "nowhere", "number", "list", "text", "always", "self", "never", "huge", "all", "deep")
_RARE = "endless"
_WHEN = ("end", "frame", "timer")

# Read by the language itself, so no source names them.
_UNNAMED = (
    "@@iterator",
    "@@species",
    "@@hasInstance",
    "@@toPrimitive",
    "@@isConcatSpreadable",
    "@@match",
    "@@replace",
    "@@split",
)
_UNNAMED_NAMES = (
    "next",
    "return",
    "toJSON",
    "valueOf",
    "raw",
    "enumerable",
    "writable",
    "configurable",
    "done",
    "lastIndex",
    "flags",
)

HONEST: Files = {"index.html": STAGE.format(head="", end="")}


@cache
def names() -> tuple[str, ...]:
    """Every name that the runtime's sources read of something."""
    folder = resources.files("hfdask.page") / "runtime"
    found: set[str] = set()
    for source in folder.iterdir():
        code = re.sub(r"^\s*//.*$", "", source.read_text("utf-8"), flags=re.M)
        found.update(re.findall(r"[\w)\]}\"`]\??\.\s*([A-Za-z]\w*)", code))
        found.update(re.findall(r"\b([A-Z][A-Za-z]+)\b", code))
    return tuple(sorted(found | {*_UNNAMED_NAMES} | {*_UNNAMED}))


def lying(name: str, how: str, when: str) -> Files:
    """The honest page, with a built-in that starts to lie at some moment."""
    tell = f"{TELL}({json.dumps(name)}, {json.dumps(how)})"
    code = {
        "end": f"{tell};",
        "timer": f"setTimeout(() => {tell}, 20);",
        "frame": f"addEventListener('hf-seek', e => {{ if (e.detail.time > 0.15 && !window.lied) {{ lied = 1; {tell} }} }});",
    }[when]
    return {"index.html": STAGE.format(head="", end=f"<script>{code}</script>")}


# Lies that once came through: to wrong pictures, or to an error without a type.
_KNOWN = (
    ("matches", "huge", "end"),
    ("String", "text", "end"),
    ("min", "text", "frame"),
    ("hasAttribute", "text", "frame"),
    ("getElementsByTagNameNS", "list", "end"),
    ("@@replace", "deep", "timer"),
    ("assign", "nowhere", "frame"),
    ("localName", "number", "timer"),
)


def cases(seed: int) -> list[Case]:
    """Return one lie about each name, chosen by the seed, and the known lies."""
    known = [Case("lie", f"known_{'_'.join(lie)}", lying(*lie), like=HONEST) for lie in _KNOWN]
    return [*known, *(_chosen(name, random.Random(f"{seed} {name}")) for name in names())]


def _chosen(name: str, choice: random.Random) -> Case:
    how = _RARE if choice.random() < 0.03 else choice.choice(_HOW)
    when = choice.choice(_WHEN)
    return Case("lie", f"{name}_{how}_{when}", lying(name, how, when), like=HONEST)
