"""Find code that starts an animation when something happens, and not at a time of the video.

A chunk in the middle of the video brings the page to its first frame in one step. So events from before that frame come
at that frame, and an animation that they start begins at another time than in other chunks. Events of the browser's own
animations come at their own time in every chunk. Only animations of libraries are a problem there, because their clocks
follow the frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tree_sitter import Node

from hfdask.checking.syntax import base_of, global_name, inside, literal, member, text_of

TWEENS = frozenset({"to", "from", "fromTo", "set", "staggerTo", "staggerFrom"})

ENDS = frozenset({"animationstart", "animationiteration", "animationend"}) | frozenset(
    {"transitionrun", "transitionstart", "transitionend"}
)
"""Events of animations and transitions of the browser."""

INPUTS = (
    frozenset(
        {"click", "dblclick", "contextmenu", "auxclick", "wheel", "scroll", "scrollend", "input", "change", "submit"}
    )
    | frozenset({"keydown", "keyup", "keypress", "focus", "blur", "focusin", "focusout", "drag", "dragstart", "drop"})
    | frozenset({"mousedown", "mouseup", "mousemove", "mouseenter", "mouseleave", "mouseover", "mouseout"})
    | frozenset(
        {"pointerdown", "pointerup", "pointermove", "pointerenter", "pointerleave", "pointerover", "pointerout"}
    )
    | frozenset({"touchstart", "touchmove", "touchend"})
)
"""Events of a user, which never come in a render."""

CALLBACKS = frozenset({"onStart", "onComplete", "onRepeat", "onReverseComplete", "onUpdate"})
"""Callbacks of a tween or timeline of GSAP."""

_MAKES = (TWEENS | {"timeline"}) - {"set"}
_ANIMATES = frozenset({"animate", "play", "restart", "reverse", "resume"})
_OF_BOTH = frozenset({"play", "reverse"})  # methods of animations of the browser and of libraries
_STYLES = frozenset({"animation", "animationName", "transition"})


def starts_animation(function: Node) -> bool:
    """Return true if a function clearly starts an animation."""
    if any(name in _ANIMATES or name == "anime" or makes for name, makes in _calls(function)):
        return True
    return any(
        member(node.child_by_field_name("left"))[1] in _STYLES for node in inside(function, "assignment_expression")
    )


def starts_tween(function: Node) -> Literal["", "perhaps", "surely"]:
    """Return if a function starts an animation of a library, which runs by the library's own clock."""
    answer: Literal["", "perhaps"] = ""
    for name, makes in _calls(function):
        if name in ("anime", "restart", "resume") or makes:
            return "surely"
        if name in _OF_BOTH:
            answer = "perhaps"
    return answer


def _calls(function: Node) -> Iterator[tuple[str, bool]]:
    """Yield the name of each called function or method, and true if it makes an animation of GSAP."""
    for call in inside(function, "call_expression"):
        callee = call.child_by_field_name("function")
        name = member(callee)[1] or text_of(callee)
        yield name, name in _MAKES and global_name(text_of(base_of(call))) == "gsap"


def event_of(node: Node, arguments: list[Node]) -> tuple[str, Node] | None:
    """Return event and handler of a call or an assignment such as ``x.addEventListener("e", f)`` or ``x.one = f``."""
    if node.type == "call_expression":
        name = global_name(text_of(node.child_by_field_name("function")))
        if not name.endswith("addEventListener") or len(arguments) < 2:
            return None
        event = literal(arguments[0])
        return (event, arguments[1]) if event else None
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    name = global_name(text_of(left)).rpartition(".")[2]
    return (name[2:], right) if name.startswith("on") and right is not None else None
