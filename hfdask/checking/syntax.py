"""Helpers for reading a JavaScript syntax tree."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node


def text_of(node: Node | None) -> str:
    return node.text.decode() if node is not None and node.text is not None else ""


def literal(node: Node | None) -> str | None:
    """Return the value of a plain string, or of a template without substitutions."""
    if node is None or node.type not in ("string", "template_string"):
        return None
    if any(child.type == "template_substitution" for child in node.named_children):
        return None
    return text_of(node)[1:-1]


def arguments_of(call: Node) -> list[Node]:
    arguments = call.child_by_field_name("arguments")
    return [] if arguments is None else [node for node in arguments.named_children if node.type != "comment"]


def inside(node: Node, *kinds: str) -> Iterator[Node]:
    """Yield the node and all nodes below it of these kinds."""
    stack = [node]
    while stack:
        item = stack.pop()
        if item.type in kinds:
            yield item
        stack.extend(reversed(item.named_children))


def base_of(node: Node) -> Node:
    """Return the first object of a chain of members and calls."""
    while True:
        below = node.child_by_field_name("object") or (
            node.child_by_field_name("function") if node.type == "call_expression" else None
        )
        if below is None:
            return node
        node = below


def member(node: Node | None) -> tuple[str, str]:
    """Return object and property of ``a.b`` as text, or two empty strings."""
    if node is None or node.type != "member_expression":
        return "", ""
    return text_of(node.child_by_field_name("object")), text_of(node.child_by_field_name("property"))


def global_name(name: str) -> str:
    """Return a name without a leading ``window.``."""
    for prefix in ("window.", "globalThis.", "self."):
        name = name.removeprefix(prefix)
    return name


def names_in(node: Node | None) -> set[str]:
    """Return the names that a pattern binds. Names in default values are included, to be safe."""
    if node is None:
        return set()
    return {text_of(item) for item in inside(node, "identifier", "shorthand_property_identifier_pattern")}


def callee_object(call: Node) -> Node | None:
    function = call.child_by_field_name("function")
    return function.child_by_field_name("object") if function is not None else None
