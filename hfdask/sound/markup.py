"""Read ``data-fx-chain`` and ``data-automation``, the effects and the automation of a sound (docs/compositions.md, 10).

Values out of range are clamped, and parts that have no effect are left out. Anything that cannot be read is an error, because a
mix without it would sound almost right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from hfdask.core.fields import misfit
from hfdask.core.sound import EFFECTS, MAX_EFFECTS, MAX_GAIN, Chain, Effect, Lane, LanePoint, Lanes
from hfdask.core.video_clip import MAX_POINTS, MAX_VIA, MIN_VIA
from hfdask.errors import SoundMarkupError
from hfdask.sound.lanes import VOLUME
from hfdask.sound.registry import PARAMETERS, Choice, Number, Parameter, moving

CHAIN = "data-fx-chain"
AUTOMATION = "data-automation"

_RATE = "rate"  # a speed ramp, which the page reads
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_TARGET = re.compile(r"(?:volume|rate|fx\.(?P<effect>[^.]+)\.(?P<parameter>[^.]+))\Z")
_PRESET = "preset"
_LONGEST_ID = 500
_LATEST = 1e9  # seconds
_HUGE = 1e300


def chain_from_json(text: str) -> Chain:
    """Read the text of ``data-fx-chain``.

    Effects with ``enabled: false`` are left out. All parameters are set: unknown ones are left out, values are clamped to their
    ranges, and a value that is missing or cannot be read is the default.

    Raises
    ------
    SoundMarkupError
        If it is not JSON, has another version or shape, an unknown type of effect, or too many effects.
    """
    nodes = _items(CHAIN, text, "nodes")
    effects = tuple(
        effect for number, node in enumerate(nodes) if (effect := _effect(node, f"nodes[{number}]")) is not None
    )
    if len(effects) > MAX_EFFECTS:
        raise SoundMarkupError(
            f"{CHAIN} has {len(effects)} effects; at most {MAX_EFFECTS} are possible", attribute=CHAIN
        )
    return effects


def lanes_from_json(text: str, chain: Chain) -> Lanes:
    """Read the text of ``data-automation``: the lanes that change the volume, effects of the chain, or its presets.

    Lanes of other targets, and points without both numbers, are left out. Points are sorted, and clamped to the range of
    their parameter. Of several points at one time, or several lanes of one target, the last one counts.

    Raises
    ------
    SoundMarkupError
        If it is not JSON, or has another version or shape, or a target that no lane can have.
    """
    lanes = {}
    for target, written in _lanes(text):
        number = _target(target, chain)
        points = None if number is None else _points(written, number)
        if points:
            lanes[target] = Lane(target=target, points=points)
    return tuple(lanes.values())


def idle_targets(text: str, chain: Chain) -> tuple[str, ...]:
    """Return the targets of ``data-automation`` that change nothing: of other effects, or of parameters that are fixed.

    Raises
    ------
    SoundMarkupError
        As `lanes_from_json` does.
    """
    return tuple(target for target, _ in _lanes(text) if target != _RATE and _target(target, chain) is None)


def _items(attribute: str, text: str, key: str) -> list[Any]:
    """Return the list of a document of version 1."""
    try:
        document = json.loads(text, parse_int=_integer, parse_constant=float)
    except (ValueError, RecursionError) as error:
        raise SoundMarkupError(
            f"{attribute} is not JSON ({error}): {_cut(text)}; correct it, or remove the attribute", attribute=attribute
        ) from error
    if not isinstance(document, dict):
        raise SoundMarkupError(f"{attribute} is not a JSON object: {_cut(text)}", attribute=attribute)
    version = document.get("version")
    if isinstance(version, bool) or version != 1:
        raise SoundMarkupError(
            f'{attribute} has version {_cut(version)}; write "version": 1, the only version', attribute=attribute
        )
    items = document.get(key)
    if not isinstance(items, list):
        raise SoundMarkupError(f'{attribute} has no list "{key}": {_cut(text)}', attribute=attribute)
    return items


def _effect(node: Any, place: str) -> Effect | None:
    if not isinstance(node, dict):
        raise SoundMarkupError(f"{CHAIN}: {place} is not an object: {_cut(node)}", attribute=CHAIN)
    kind = node.get("type")
    if kind not in EFFECTS:
        raise SoundMarkupError(
            f"{CHAIN}: {place} has the unknown type {_cut(kind)}; the types are {', '.join(EFFECTS)}", attribute=CHAIN
        )
    if node.get("enabled") is False:
        return None
    written = node.get("params")
    parameters = written if isinstance(written, dict) else {}
    return Effect(
        id=_name(node.get("id"), f"{place}.id") or "",
        type=kind,
        parameters={name: _parameter(parameters.get(name), each) for name, each in PARAMETERS[kind].items()},
        preset=_name(node.get("fromPreset"), f"{place}.fromPreset"),
        amount=_clamped(node.get("presetAmount"), Number(0, 1, 1)),
    )


def _name(written: Any, place: str) -> str | None:
    if not isinstance(written, str) or not written:
        return None
    problem = misfit(written) or (f"it has more than {_LONGEST_ID} characters" if len(written) > _LONGEST_ID else "")
    if problem:
        raise SoundMarkupError(f"{CHAIN}: {place} cannot be a name: {problem}", attribute=CHAIN)
    return written


def _parameter(written: Any, parameter: Parameter) -> float | str:
    if isinstance(parameter, Choice):
        return cast(str, written) if written in parameter.texts else parameter.texts[0]
    return _clamped(written, parameter)


def _clamped(written: Any, number: Number) -> float:
    value = _number(written)
    return float(number.default if value is None else min(max(value, number.low), number.high))


def _number(written: Any) -> float | None:
    """Return a finite number, also one in a string, or None."""
    if isinstance(written, str) and _NUMBER.match(written.strip()):
        written = float(written)
    if isinstance(written, bool) or not isinstance(written, int | float) or not -_HUGE < written < _HUGE:
        return None
    return float(written)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 16 else float(digits)


def _lanes(text: str) -> Iterator[tuple[str, list[Any]]]:
    for number, lane in enumerate(_items(AUTOMATION, text, "lanes")):
        place = f"{AUTOMATION}: lanes[{number}]"
        if not isinstance(lane, dict):
            raise SoundMarkupError(f"{place} is not an object: {_cut(lane)}", attribute=AUTOMATION)
        target = lane.get("target")
        if not isinstance(target, str) or not _TARGET.match(target):
            raise SoundMarkupError(
                f"{place} has the unknown target {_cut(target)}; "
                "it can be volume, rate, fx.<effect>.<parameter> or fx.preset.<preset>",
                attribute=AUTOMATION,
            )
        points = lane.get("points")
        if not isinstance(points, list):
            raise SoundMarkupError(f'{place} has no list "points": {_cut(lane)}', attribute=AUTOMATION)
        yield target, points


def _target(target: str, chain: Chain) -> Number | None:
    """Return the range of a lane's values, or None if it changes nothing."""
    if target == VOLUME:
        return Number(0, MAX_GAIN, 1)
    match = _TARGET.match(target)
    if match is None or match["effect"] is None:
        return None
    if match["effect"] == _PRESET:
        return Number(0, 1, 1) if any(effect.preset == match["parameter"] for effect in chain) else None
    named = next((effect for effect in chain if effect.id == match["effect"]), None)
    return None if named is None else moving(named, match["parameter"])


def _points(written: list[Any], number: Number) -> tuple[LanePoint, ...]:
    points: dict[float, LanePoint] = {}
    for each in written:
        if isinstance(each, Mapping) and (point := _point(each, number)) is not None:
            points[point.t] = point
    return tuple(points[t] for t in sorted(points)[:MAX_POINTS])


def _point(written: Mapping[str, Any], number: Number) -> LanePoint | None:
    t, v = _number(written.get("t")), _number(written.get("v"))
    if t is None or v is None:
        return None
    return LanePoint(
        t=min(max(t, 0.0), _LATEST),
        v=min(max(v, number.low), number.high),
        curve=min(max(_number(written.get("curve")) or 0.0, -1.0), 1.0),
        via=_via(_number(written.get("viaX")), _number(written.get("viaY"))),
    )


def _via(x: float | None, y: float | None) -> tuple[float, float] | None:
    if x is None or y is None:
        return None
    x, y = (min(max(each, MIN_VIA), MAX_VIA) for each in (x, y))
    return None if abs(x - y) < 1e-6 else (x, y)


def _cut(written: Any) -> str:
    text = written if isinstance(written, str) else json.dumps(written)
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
