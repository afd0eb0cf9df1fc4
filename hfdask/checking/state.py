"""Find state that a function keeps from one call to the next, which a chunk in the middle of the video lacks."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from hfdask.checking.syntax import base_of, callee_object, inside, member, names_in, text_of

_ITERATORS = frozenset({"forEach", "map", "some", "every", "for"})


def state_changes(function: Node) -> Iterator[tuple[Node, str]]:
    """Yield the places at which a function adds to a value from before its call."""
    body = function.child_by_field_name("body")
    if body is None:
        return
    own, fresh = _own_names(function)
    set_before: set[str] = set()
    for node in inside(body, "assignment_expression", "augmented_assignment_expression", "update_expression"):
        left = node.child_by_field_name("left") or node.child_by_field_name("argument")
        if left is None:
            continue
        name = text_of(left)
        if node.type == "assignment_expression":
            right = node.child_by_field_name("right")
            if right is None or not any(text_of(item) == name for item in inside(right, left.type)):
                set_before.add(name)
                continue
        if name in set_before or text_of(node.child_by_field_name("operator")) in ("??=", "||=", "&&="):
            continue
        base = text_of(base_of(left))
        local = base in fresh if left.type != "identifier" else base in own
        if not local:
            yield node, name


def _own_names(function: Node) -> tuple[set[str], set[str]]:
    """Return the names that a function binds, and the names among them whose objects may be new in each call."""
    own = names_in(function.child_by_field_name("parameters")) | names_in(function.child_by_field_name("parameter"))
    fresh = set(own)
    kinds = ("variable_declarator", "for_in_statement", "arrow_function", "function_expression", "function_declaration")
    for node in inside(function, *kinds):
        if node.type == "variable_declarator":
            names, value = names_in(node.child_by_field_name("name")), node.child_by_field_name("value")
            own |= names
            if value is None or value.type not in ("identifier", "member_expression", "subscript_expression"):
                fresh |= names
        elif node.type == "for_in_statement":
            if node.child_by_field_name("kind") is not None:
                names, of = names_in(node.child_by_field_name("left")), node.child_by_field_name("right")
                own |= names
                if of is not None and of.type not in ("identifier", "member_expression"):
                    fresh |= names
        elif node != function:
            names = names_in(node.child_by_field_name("parameters")) | names_in(node.child_by_field_name("parameter"))
            own |= names
            if not _iterates_older(node, fresh):
                fresh |= names
    return own, fresh


def _iterates_older(function: Node, fresh: set[str]) -> bool:
    """Return true if this is a callback of ``list.forEach`` or the like, for a list that the frame did not make."""
    call = function.parent.parent if function.parent is not None else None
    if call is None or call.type != "call_expression":
        return False
    name = member(call.child_by_field_name("function"))[1]
    of = callee_object(call)
    return (
        name in _ITERATORS
        and of is not None
        and of.type in ("identifier", "member_expression")
        and text_of(of) not in fresh
    )
