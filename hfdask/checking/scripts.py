"""Read a script, and find what makes a frame depend on more than its time (docs/compositions.md, 7.5).

A grammar parses the script, so comments and strings do not mislead. The virtual clock and the seeded randomness make
much harmless that other renderers forbid. What remains is state that grows from frame to frame, since a chunk has not
seen the frames before its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import tree_sitter_javascript
from msgspec import Struct, field
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from hfdask.checking.starts import CALLBACKS, ENDS, INPUTS, TWEENS, event_of, starts_animation, starts_tween
from hfdask.checking.state import state_changes
from hfdask.checking.syntax import (
    arguments_of,
    base_of,
    callee_object,
    global_name,
    inside,
    literal,
    member,
    names_in,
    text_of,
)

_LANGUAGE = Language(tree_sitter_javascript.language())
_WANTED = Query(
    _LANGUAGE,
    """
    (call_expression) @call (new_expression) @new (pair) @pair (string) @string (assignment_expression) @assignment
    (member_expression) @member (import_statement) @import (variable_declarator) @declarator
    (function_declaration) @function (class_declaration) @function (import_specifier) @function
    (formal_parameters) @parameters (import_clause) @clause (arrow_function parameter: (identifier) @name)
    (namespace_import (identifier) @name) (catch_clause parameter: (identifier) @name) (for_in_statement) @each
    (unary_expression) @unary (method_definition) @method
    """,
)
_FUNCTIONS = frozenset({"function_expression", "arrow_function", "function_declaration", "method_definition"})
_DRAWING = frozenset(
    {"style", "textContent", "innerHTML", "innerText", "className", "classList", "setAttribute", "setProperty", "src"}
    | {"fillRect", "clearRect", "stroke", "fill", "drawImage", "fillText", "append", "appendChild", "remove", "animate"}
)
_PLAYING = frozenset({"play", "pause", "load"})
_LEVELS = frozenset(f"get{kind}{what}Data" for kind in ("Byte", "Float") for what in ("Frequency", "TimeDomain"))
# Libraries that move particles or bodies from frame to frame: a pattern of the call, and of the library's file.
_SIMULATIONS = {
    re.compile(r"confetti(\.create)?|party\.(confetti|sparkles)|\w+\.addConfetti"): "confetti|party",
    re.compile(r"tsParticles\.load\w*|particlesJS(\.load)?"): "particles",
    re.compile(r"Matter\.(Runner|Engine)\.\w+"): "matter",
}


class ScriptFinding(Struct, frozen=True):
    """A finding in a script; ``row`` counts from 0, ``excerpt`` is the line."""

    code: str
    row: int
    excerpt: str
    severity: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class ScriptFacts(Struct):
    """Facts about a script that matter to its document."""

    hits: list[ScriptFinding] = field(default_factory=list)
    registered: dict[str, ScriptFinding] = field(default_factory=dict)
    registers_unknown: bool = False
    makes_timeline: ScriptFinding | None = None
    animates: bool = False
    globals: dict[str, ScriptFinding] = field(default_factory=dict)
    plugins: dict[str, ScriptFinding] = field(default_factory=dict)
    simulations: list[tuple[str, ScriptFinding]] = field(default_factory=list)
    adds_scripts: bool = False
    selectors: list[tuple[str, ScriptFinding]] = field(default_factory=list)
    imports: list[tuple[str, ScriptFinding]] = field(default_factory=list)
    declares: frozenset[str] = frozenset()
    error_row: int = 0


def read_script(text: str, media_ids: frozenset[str] = frozenset()) -> ScriptFacts:
    """Read one of the author's scripts."""
    return _Reader(text, media_ids).read()


class _Reader:
    def __init__(self, text: str, media_ids: frozenset[str]) -> None:
        source = text.encode()
        self.lines = text.split("\n")
        self.tree = Parser(_LANGUAGE).parse(source)
        self.media_ids = media_ids
        self.facts = ScriptFacts()
        found = QueryCursor(_WANTED).captures(self.tree.root_node)
        self.nodes = {kind: sorted(nodes, key=lambda node: node.start_byte) for kind, nodes in found.items()}

    def all(self, kind: str) -> list[Node]:
        return self.nodes.get(kind, [])

    def hit(self, code: str, node: Node, severity: str | None = None, **detail: Any) -> ScriptFinding:
        row = node.start_point.row
        return ScriptFinding(code, row, self.lines[row].strip()[:120], severity, detail)

    def report(self, code: str, node: Node, severity: str | None = None, **detail: Any) -> None:
        self.facts.hits.append(self.hit(code, node, severity, **detail))

    def read(self) -> ScriptFacts:
        error = next(inside(self.tree.root_node, "ERROR"), None) if self.tree.root_node.has_error else None
        self.facts.error_row = error.start_point.row if error else 0
        self.facts.declares = (self.declared | self.sets) & {"gsap", "lottie", "THREE"}
        self._registrations()
        self._globals()
        self._random()
        self._repeats()
        self._frames()
        self._events()
        self._simulations()
        self._media()
        self._references()
        return self.facts

    # Names and functions

    @functools.cached_property
    def declared(self) -> frozenset[str]:
        """Every name that the script declares, in any scope."""
        names = {text_of(node) for node in self.all("name")}
        for node in self.all("declarator"):
            names |= names_in(node.child_by_field_name("name"))
        for node in self.all("function"):
            names.add(text_of(node.child_by_field_name("alias") or node.child_by_field_name("name")))
        for node in [*self.all("parameters"), *self.all("clause")]:
            names |= names_in(node)
        for node in self.all("each"):
            names |= names_in(node.child_by_field_name("left")) if node.child_by_field_name("kind") else set()
        return frozenset(names)

    @functools.cached_property
    def sets(self) -> frozenset[str]:
        """Globals that the script gives a value, as in ``window.gsap = ...``."""
        return frozenset(global_name(text_of(node.child_by_field_name("left"))) for node in self.all("assignment"))

    @functools.cached_property
    def made_or_asked_for(self) -> frozenset[str]:
        """Globals that the script sets, or looks for before it uses them: ``window.gsap`` and ``typeof gsap``."""
        names = {
            name
            for node in self.all("member")
            if text_of(node) != (name := global_name(text_of(node))) and "." not in name
        }
        asked = (node for node in self.all("unary") if text_of(node.child_by_field_name("operator")) == "typeof")
        return frozenset(names | {global_name(text_of(node.child_by_field_name("argument"))) for node in asked})

    @functools.cached_property
    def functions(self) -> dict[str, Node]:
        """The script's functions by name."""
        named = {
            text_of(n.child_by_field_name("name")): n for n in self.all("function") if n.type == "function_declaration"
        }
        for node in self.all("declarator"):
            value = node.child_by_field_name("value")
            if value is not None and value.type in _FUNCTIONS:
                named[text_of(node.child_by_field_name("name"))] = value
        for node in inside(self.tree.root_node, "function_expression"):
            if name := text_of(node.child_by_field_name("name")):
                named.setdefault(name, node)
        return named

    def function(self, node: Node | None) -> Node | None:
        """Return the function that an expression is or names."""
        if node is None:
            return None
        return node if node.type in _FUNCTIONS else self.functions.get(text_of(node))

    def reached(self, start: Node) -> list[Node]:
        """Return a function and this script's functions that it calls, directly or not."""
        seen = [start]
        for function in seen:
            for call in inside(function, "call_expression"):
                callee = self.functions.get(text_of(call.child_by_field_name("function")))
                if callee is not None and callee not in seen:
                    seen.append(callee)
        return seen

    # Timelines

    def _registrations(self) -> None:
        for node in self.all("assignment"):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None:  # a parse that continued after an error
                continue
            holder = global_name(text_of(left.child_by_field_name("object")))
            if holder == "__timelines":
                key = literal(left.child_by_field_name("index")) or member(left)[1]
                self._register(key, node)
            elif global_name(text_of(left)) == "__timelines" and right is not None:
                for table in inside(right, "object"):
                    self._register_all(table)
                    break
                else:
                    self.facts.registers_unknown |= right.type not in ("binary_expression", "object")
        for call in self.all("call"):
            first = next(iter(arguments_of(call)), None)
            if global_name(text_of(call.child_by_field_name("function"))) == "hyperframesAnime.register":
                self._register(literal(first) or "", call)
            elif first is not None and global_name(text_of(first)) == "__timelines":
                self.facts.registers_unknown = True
        for node in self.all("declarator"):
            value = node.child_by_field_name("value")
            if value is not None and "__timelines" in text_of(value):
                self.facts.registers_unknown |= value.type not in _FUNCTIONS  # an alias: its values are not known

    def _register_all(self, table: Node) -> None:
        for entry in table.named_children:
            key = entry.child_by_field_name("key")
            if entry.type == "pair" and key is not None:
                self._register(literal(key) or (text_of(key) if key.type == "property_identifier" else ""), entry)
            elif entry.type == "shorthand_property_identifier":
                self._register(text_of(entry), entry)
            elif entry.type == "spread_element" and "__timelines" not in text_of(entry):
                self.facts.registers_unknown = True

    def _register(self, key: str, node: Node) -> None:
        if key:
            self.facts.registered.setdefault(key, self.hit("timeline_id_mismatch", node, id=key))
        else:
            self.facts.registers_unknown = True

    # Libraries

    def _globals(self) -> None:
        for node in self.all("member"):
            name = member(node)[0]
            if name in ("gsap", "lottie", "THREE") and name not in self.declared | self.made_or_asked_for:
                self.facts.globals.setdefault(name, self.hit("", node))
        for call in self.all("call"):
            holder, name = member(call.child_by_field_name("function"))
            self.facts.animates |= name in ("animate", "loadAnimation") or holder == "anime"
            if name == "createElement" and literal(next(iter(arguments_of(call)), None)) == "script":
                self.facts.adds_scripts = True  # which may bring any library
            if global_name(holder) != "gsap":
                continue
            if name == "timeline":
                self._made(call)
            if name == "registerPlugin":
                for plugin in arguments_of(call):
                    if plugin.type == "identifier" and text_of(plugin) not in self.declared:
                        self.facts.plugins[text_of(plugin)] = self.hit(
                            "missing_gsap_plugin", call, name=text_of(plugin)
                        )

    def _made(self, call: Node) -> None:
        """Note the first timeline, or the first paused one, which never moves unless it is registered."""
        paused = any(
            text_of(pair.child_by_field_name("key")) == "paused"
            and text_of(pair.child_by_field_name("value")) == "true"
            for argument in arguments_of(call)
            for pair in argument.named_children
        )
        known = self.facts.makes_timeline
        if known is None or (paused and known.severity is not None):
            outcome = "it never moves" if paused else "only GSAP's own clock moves it, which other renderers stop"
            severity = None if paused else "warning"
            self.facts.makes_timeline = self.hit("gsap_timeline_not_registered", call, severity, outcome=outcome)

    # Randomness and dates

    def _random(self) -> None:
        for call in self.all("call"):
            what = global_name(text_of(call.child_by_field_name("function")))
            if what in ("Math.random", "crypto.getRandomValues", "crypto.randomUUID", "gsap.utils.random"):
                late = _in_tween_function(call)
                self.report("non_deterministic_code", call, "error" if late else None, what=what, stake=_stake(late))
            elif what == "Date.now" or (what == "Date" and "Date" not in self.declared):
                self.report("virtual_date", call, what=f"{what}()")
        for node in self.all("new"):
            if text_of(node.child_by_field_name("constructor")) == "Date" and not arguments_of(node):
                self.report("virtual_date", node, what="new Date()")
        for node in self.all("string"):
            text = text_of(node)[1:-1]
            random = text.lstrip("+-=").startswith("random(") or _is_random_ease(text)
            if random and _tween_of(node) is not None:
                self.report("non_deterministic_code", node, "error", what=text_of(node), stake=_stake(True))
        for node in self.all("pair"):
            if text_of(node.child_by_field_name("key")).strip("'\"") == "scrambleText" and _tween_of(node) is not None:
                self.report("non_deterministic_code", node, "error", what="ScrambleText", stake=_stake(True))

    # Repeats

    def _repeats(self) -> None:
        for node in self.all("pair"):
            key, value = (
                text_of(node.child_by_field_name("key")).strip("'\""),
                text_of(node.child_by_field_name("value")),
            )
            if key == "repeat" and value.replace(" ", "") in ("-1", "Infinity"):
                self.report("gsap_infinite_repeat", node)
        for call in self.all("call"):
            name = member(call.child_by_field_name("function"))[1]
            if name == "repeat" and [text_of(item).replace(" ", "") for item in arguments_of(call)] in (
                ["-1"],
                ["Infinity"],
            ):
                self.report("gsap_infinite_repeat", call)

    # State from frame to frame

    def _frames(self) -> None:
        seen: set[int] = set()
        for code, function in self._frame_functions():
            for each in self.reached(function):
                if each.id in seen:
                    continue
                seen.add(each.id)
                for node, name in state_changes(each):
                    self.report(code, node, name=name)

    def _frame_functions(self) -> Iterator[tuple[str, Node]]:
        for call in self.all("call"):
            name, arguments = global_name(text_of(call.child_by_field_name("function"))), arguments_of(call)
            if name == "requestAnimationFrame" and arguments:
                kind, given = "requestanimationframe_in_composition", arguments[0]
            elif name.endswith("addEventListener") and len(arguments) > 1 and literal(arguments[0]) == "hf-seek":
                kind, given = "state_between_frames", arguments[1]
            else:
                continue
            if (function := self.function(given)) is not None:
                yield kind, function
        for node in self.all("pair"):
            function = self.function(node.child_by_field_name("value"))
            if function is not None and text_of(node.child_by_field_name("key")) == "onUpdate":
                yield "state_between_frames", function

    # Animations that start by events, not at a time of the video

    def _events(self) -> None:
        for node in [*self.all("call"), *self.all("assignment")]:
            event, given = event_of(node, arguments_of(node)) or ("", None)
            function = self.function(given)
            if function is None:
                continue
            reached = self.reached(function)
            # Animations of the browser that start then are exact (docs/compositions.md, 6.4); animations of libraries are not.
            if event in ENDS and (tweens := {*map(starts_tween, reached)} - {""}):
                severity = None if "surely" in tweens else "warning"
                self.report("animation_started_by_event", node, severity, what=f"the event {event}")
            elif event in INPUTS and any(starts_animation(each) or _draws(each) for each in reached):
                self.report("event_never_comes", node, event=event)
        for name, node, given in self._callbacks():
            function = self.function(given)
            if function is not None and any(starts_animation(each) for each in self.reached(function)):
                self.report("animation_started_by_event", node, what=name)
        for node in self.all("pair"):
            if text_of(node.child_by_field_name("key")).strip("'\"") == "scrollTrigger":
                self.report("event_never_comes", node, event="scroll")

    def _callbacks(self) -> Iterator[tuple[str, Node, Node | None]]:
        """Yield callbacks of GSAP: the name, the place and the function."""
        for node in self.all("pair"):
            key = text_of(node.child_by_field_name("key")).strip("'\"")
            if key in CALLBACKS:
                yield key, node, node.child_by_field_name("value")
        for node in self.all("method"):
            if text_of(node.child_by_field_name("name")) in CALLBACKS:
                yield text_of(node.child_by_field_name("name")), node, node
        for call in self.all("call"):
            holder, name = member(call.child_by_field_name("function"))
            arguments = arguments_of(call)
            if name == "call" and arguments and not holder.endswith(("prototype", "super")):
                yield "call()", call, arguments[0]
            elif name in ("eventCallback", "delayedCall") and len(arguments) > 1:
                yield f"{name}()", call, arguments[1]

    def _simulations(self) -> None:
        for call in self.all("call"):
            name = global_name(text_of(call.child_by_field_name("function")))
            for pattern, library in _SIMULATIONS.items():
                if pattern.fullmatch(name):
                    hit = self.hit("simulation_library", call, name=name)
                    self.facts.simulations.append((library, hit))

    # Media

    def _media(self) -> None:
        names = {
            text_of(node.child_by_field_name("name"))
            for node in self.all("declarator")
            if self._is_media(node.child_by_field_name("value"))
        } | (self.media_ids - self.declared)
        for call in self.all("call"):
            holder, name = member(call.child_by_field_name("function"))
            if name == "forEach" and self._is_media(callee_object(call), many=True):
                for function in filter(None, map(self.function, arguments_of(call)[:1])):
                    names |= names_in(
                        function.child_by_field_name("parameters") or function.child_by_field_name("parameter")
                    )
        for call in self.all("call"):
            holder, name = member(call.child_by_field_name("function"))
            if name in _PLAYING and (global_name(holder) in names or self._is_media(callee_object(call))):
                self.report("imperative_media_control", call, what=f"{name}()")
            if name in _LEVELS and not self.made_offline:
                self.report("silent_analyser", call, name=name)
        for node in self.all("assignment"):
            left = node.child_by_field_name("left")
            holder, name = member(left)
            if left is None or name not in ("currentTime", "playbackRate"):
                continue
            if global_name(holder) in names or self._is_media(left.child_by_field_name("object")):
                self.report("imperative_media_control", node, what=f"{name} =")

    @functools.cached_property
    def made_offline(self) -> bool:
        """True if the script has a graph of sound that is computed, not played."""
        made = (global_name(text_of(node.child_by_field_name("constructor"))) for node in self.all("new"))
        return "OfflineAudioContext" in made

    def _is_media(self, node: Node | None, *, many: bool = False) -> bool:
        """Return true if an expression is clearly a media element, or a list of them."""
        if node is None or node.type != "call_expression":
            return node is not None and text_of(node.child_by_field_name("constructor")) == "Audio"
        name = member(node.child_by_field_name("function"))[1]
        wanted = literal(next(iter(arguments_of(node)), None)) or ""
        if name == "getElementById":
            return wanted in self.media_ids
        if name == "createElement":
            return wanted in ("video", "audio")
        last = next(reversed(wanted.replace(">", " ").split()), "")
        tag = re.split(r"[#.\[:]", last)[0]
        selects = name == ("querySelectorAll" if many else "querySelector")
        return selects and (tag in ("video", "audio") or (last.startswith("#") and last[1:] in self.media_ids))

    # Selectors and imports

    def _references(self) -> None:
        for call in self.all("call"):
            function = call.child_by_field_name("function")
            name = member(function)[1]
            first = next(iter(arguments_of(call)), None)
            text = literal(first)
            if text is None or first is None or "\\" in text:
                continue
            if name in ("querySelector", "querySelectorAll", "closest", "matches"):
                self.facts.selectors.append((text, self.hit("invalid_selector", first, selector=text)))
            elif text_of(function) == "import":
                self.facts.imports.append((text, self.hit("missing_local_asset", first)))
        for node in self.all("import"):
            source = node.child_by_field_name("source")
            if (text := literal(source)) and source is not None:
                self.facts.imports.append((text, self.hit("missing_local_asset", source)))


def _is_random_ease(text: str) -> bool:
    """Return true if this names an ease of GSAP that draws a random curve when a tween begins."""
    return text.startswith("rough(") and re.search(r"randomize\s*:\s*false", text) is None


def _stake(late: bool) -> str:
    if late:
        return "a tween reads its values at the first frame that shows it, which is another frame in a chunk that starts later: the seed, and so the value, differs from chunk to chunk"
    return "it is seeded by the frame's time, so each render gets the same numbers; but they change if a call is added before it, and calls that come after a fetch or a timer may come in another order"


def _tween_of(node: Node) -> Node | None:
    """Return the call to a tween method with this node in one of its objects of properties."""
    objects = False
    item = node.parent
    while item is not None:
        objects = objects or item.type == "object"
        if item.type == "call_expression" and objects:
            holder, name = member(item.child_by_field_name("function"))
            if name in TWEENS and not holder.endswith(("Map", "Set", "params")):
                return item
        item = item.parent
    return None


def _in_tween_function(node: Node) -> bool:
    """Return true if this is in a function that is a property of a tween. GSAP calls it at the tween's first frame."""
    item: Node | None = node
    while item is not None:
        parent = item.parent
        if item.type in _FUNCTIONS and parent is not None:
            value = parent.type == "pair" or (item.type == "method_definition" and parent.type == "object")
            if value and _tween_of(item) is not None:
                return True
        item = parent
    return False


def _draws(function: Node) -> bool:
    return any(text_of(item) in _DRAWING for item in inside(function, "property_identifier")) or any(
        global_name(text_of(base_of(call))) == "gsap" for call in inside(function, "call_expression")
    )
