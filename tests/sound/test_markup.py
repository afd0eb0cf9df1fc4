"""Chains and automation are read as authors write them, and what cannot be read is a typed error."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from effect_samples import effect
from hypothesis import given, settings
from hypothesis import strategies as st

from hfdask.core.sound import EFFECTS, MAX_GAIN, Treatment
from hfdask.errors import SoundMarkupError
from hfdask.sound.effects import ChainProcessor
from hfdask.sound.markup import chain_from_json, idle_targets, lanes_from_json
from hfdask.sound.registry import PARAMETERS, Choice, Number

FILTERS = (effect("highpass", id="h"), effect("peaking", id="p", preset="warm"), effect("compressor", id="c"))


def chain(*nodes: object, version: object = 1):
    return chain_from_json(json.dumps({"version": version, "nodes": nodes}))


def points(target: str, *written: object):
    lanes = lanes_from_json(json.dumps({"version": 1, "lanes": [{"target": target, "points": written}]}), FILTERS)
    return [(point.t, point.v) for point in lanes[0].points] if lanes else None


def test_a_chain_has_its_effects_in_order_with_all_parameters():
    read = chain(
        {"type": "highpass", "id": "n1", "label": "Rumble", "params": {"frequency": 120, "poles": "1"}},
        {"type": "gain", "fromPreset": "warm", "presetAmount": 0.5, "fromCarve": True, "params": {"gain": -3}},
    )
    assert [(each.id, each.type, each.parameters, each.preset, each.amount) for each in read] == [
        ("n1", "highpass", {"frequency": 120.0, "q": 0.707, "poles": "1"}, None, 1.0),
        ("", "gain", {"gain": -3.0}, "warm", 0.5),
    ]


def test_all_types_are_known_and_have_their_defaults():
    read = chain(*({"type": kind} for kind in EFFECTS))
    assert [each.type for each in read] == list(EFFECTS)
    for each in read:
        defaults = {n: p.texts[0] if isinstance(p, Choice) else p.default for n, p in PARAMETERS[each.type].items()}
        assert each.parameters == defaults


def test_disabled_effects_are_left_out():
    assert [each.id for each in chain({"type": "gain", "id": "a", "enabled": False}, {"type": "gain", "id": "b"})] == [
        "b"
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [(-99, -40.0), (99, 40.0), (" 6.5 ", 6.5), ("1e1", 10.0), ("", 0.0), (None, 0.0), ([], 0.0), (True, 0.0), ("6dB", 0.0)],
)  # fmt: skip
def test_values_are_clamped_and_unreadable_ones_are_the_default(written, read):
    assert chain({"type": "peaking", "params": {"gain": written}})[0].parameters["gain"] == read


def test_numbers_too_large_for_floats_are_the_default():
    for digits in ("1" + "0" * 400, "1e999", "-Infinity", "NaN"):
        text = f'{{"version": 1, "nodes": [{{"type": "peaking", "params": {{"gain": {digits}}}}}]}}'
        assert chain_from_json(text)[0].parameters["gain"] == 0.0


def test_unknown_parameters_are_left_out_and_unknown_choices_are_the_default():
    read = chain({"type": "lowpass", "params": {"gain": 3, "poles": "7"}}, {"type": "saturate", "params": {"type": 1}})
    assert read[0].parameters.keys() == {"frequency", "q", "poles"}
    assert (read[0].parameters["poles"], read[1].parameters["type"]) == ("2", "tanh")


def test_the_amount_of_a_preset_is_clamped():
    assert [each.amount for each in chain(*({"type": "gain", "presetAmount": n} for n in (-1, 2, None)))] == [0, 1, 1]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"nodes": []}', "version"),
        ('{"version": 2, "nodes": []}', "version '2'"),
        ('{"version": true, "nodes": []}', "version"),
        ('{"version": 1}', '"nodes"'),
        ('{"version": 1, "nodes": {}}', '"nodes"'),
        ('{"version": 1, "nodes": [7]}', "nodes[0]"),
        ('{"version": 1, "nodes": [{"type": "gain"}, {"type": "flanger"}]}', "nodes[1] has the unknown type 'flanger'"),
        ('{"version": 1, "nodes": [{"type": "gain", "id": "\\ud800"}]}', "nodes[0].id"),
        ('{"version": 1, "nodes": [{"type": "gain", "fromPreset": "' + "x" * 600 + '"}]}', "nodes[0].fromPreset"),
        ('{"version": 1, "nodes": [' + ",".join(['{"type": "gain"}'] * 65) + "]}", "65 effects"),
    ],
)
def test_a_chain_that_cannot_be_read_is_an_error_that_quotes_it(text, quoted):
    with pytest.raises(SoundMarkupError) as error:
        chain_from_json(text)
    assert "data-fx-chain" in error.value.message
    assert quoted in error.value.message
    assert error.value.details["attribute"] == "data-fx-chain"


@pytest.mark.parametrize(
    ("lane", "quoted"),
    [
        (7, "lanes[0]"),
        ({"points": []}, "target"),
        ({"target": "pan", "points": []}, "'pan'"),
        ({"target": "fx.h", "points": []}, "'fx.h'"),
        ({"target": "fx.h.q.x", "points": []}, "'fx.h.q.x'"),
        ({"target": "volume"}, '"points"'),
        ({"target": "volume", "points": {}}, '"points"'),
    ],
)
def test_automation_that_cannot_be_read_is_an_error_that_quotes_it(lane, quoted):
    with pytest.raises(SoundMarkupError) as error:
        lanes_from_json(json.dumps({"version": 1, "lanes": [lane]}), FILTERS)
    assert "data-automation" in error.value.message
    assert quoted in error.value.message
    with pytest.raises(SoundMarkupError, match="version"):
        lanes_from_json('{"version": "1", "lanes": []}', ())


def test_points_are_sorted_and_the_last_of_one_time_counts():
    assert points("volume", {"t": 2, "v": 1}, {"t": -1, "v": 0.5}, {"t": "2", "v": "0.25"}, {"t": 1, "v": 9}) == [
        (0, 0.5),
        (1, MAX_GAIN),
        (2, 0.25),
    ]


def test_points_without_both_numbers_are_dropped_not_zero():
    unreadable: list[object] = [None, "", [], True, "loud"]
    for value in unreadable:
        assert points("volume", {"t": 0, "v": value}, {"t": value, "v": 1}, {"t": 3, "v": 1}, 5, None) == [(3, 1)]
    assert points("volume", {"t": 0}) is None


def test_at_most_512_points_are_kept():
    read = points("volume", *({"t": n, "v": 0} for n in range(600)))
    assert read is not None
    assert (len(read), read[-1][0]) == (512, 511)


def test_values_are_clamped_to_the_parameters_range():
    assert points("fx.h.frequency", {"t": 0, "v": 1}, {"t": 1, "v": 1e6}) == [(0, 20), (1, 20_000)]
    assert points("fx.preset.warm", {"t": 0, "v": -1}, {"t": 1, "v": 7}) == [(0, 0), (1, 1)]


def test_shapes_are_read_with_their_limits():
    written = [
        {"t": 0, "v": 1, "curve": 3},
        {"t": 1, "v": 1, "curve": "-0.5", "viaX": 0.2},
        {"t": 2, "v": 1, "viaX": 0.2, "viaY": 2},
        {"t": 3, "v": 1, "viaX": 0.5, "viaY": 0.5},
    ]
    lanes = lanes_from_json(json.dumps({"version": 1, "lanes": [{"target": "volume", "points": written}]}), ())
    assert [(point.curve, point.via) for point in lanes[0].points] == [
        (1, None),
        (-0.5, None),
        (0, (0.2, 0.999)),
        (0, None),
    ]


IDLE = ["fx.gone.gain", "fx.preset.gone", "fx.c.threshold", "fx.p.poles", "fx.p.pan"]


@pytest.mark.parametrize("target", ["rate", *IDLE])
def test_lanes_that_change_nothing_are_dropped(target):
    assert points(target, {"t": 0, "v": 1}) is None


def test_lanes_that_change_nothing_are_listed():
    lanes = [{"target": target, "points": []} for target in ("volume", "rate", "fx.p.gain", *IDLE)]
    assert idle_targets(json.dumps({"version": 1, "lanes": lanes}), FILTERS) == tuple(IDLE)


def test_a_filter_of_one_pole_cannot_be_automated():
    one = chain({"type": "lowpass", "id": "a", "params": {"poles": "1"}})
    text = json.dumps({"version": 1, "lanes": [{"target": "fx.a.frequency", "points": [{"t": 0, "v": 500}]}]})
    assert lanes_from_json(text, one) == ()


def test_the_last_lane_of_a_target_counts():
    lanes = [{"target": "volume", "points": [{"t": 0, "v": v}]} for v in (0.1, 0.2)]
    read = lanes_from_json(json.dumps({"version": 1, "lanes": lanes}), ())
    assert [lane.points[0].v for lane in read] == [0.2]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["1", "tanh", "a", "p"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=3,
)
PARAMETER_NAMES = sorted({name for parameters in PARAMETERS.values() for name in parameters})
NODES = st.fixed_dictionaries(
    {"type": st.sampled_from(EFFECTS)},
    optional={
        "id": VALUES,
        "enabled": VALUES,
        "fromPreset": VALUES,
        "presetAmount": VALUES,
        "params": st.dictionaries(st.sampled_from(PARAMETER_NAMES), VALUES, max_size=4) | VALUES,
    },
)
TARGETS = st.sampled_from(["volume", "rate", "fx.preset.p"]) | st.sampled_from(PARAMETER_NAMES).map("fx.a.{}".format)
POINTS = st.fixed_dictionaries({}, optional=dict.fromkeys(("t", "v", "curve", "viaX", "viaY"), VALUES)) | VALUES
LANES = st.fixed_dictionaries({"target": TARGETS, "points": st.lists(POINTS, max_size=4)})


@given(st.lists(NODES, max_size=4), st.lists(LANES, max_size=4))
@settings(max_examples=60)
def test_whatever_is_written_is_refused_or_read_as_a_valid_value(nodes, lanes):
    try:
        read = chain(*nodes)
        automation = lanes_from_json(json.dumps({"version": 1, "lanes": lanes}), read)
    except SoundMarkupError:
        return
    treatment = Treatment(chain=read, lanes=automation)
    assert msgspec.json.decode(msgspec.json.encode(treatment), type=Treatment) == treatment
    out = ChainProcessor(read, automation).process(np.ones((2, 500)), 0)
    assert np.isfinite(out).all()


def written(name: str, parameter: Number | Choice) -> str:
    if isinstance(parameter, Choice):
        return f"`{name}` {', '.join(parameter.texts)}"
    shown = f"**`{name}`**" if parameter.moves else f"`{name}`"
    return f"{shown} {parameter.low:g} to {parameter.high:g} ({parameter.default:g})"


def test_the_documentation_has_all_parameters():
    lines = (Path(__file__).parents[2] / "docs/compositions.md").read_text("utf-8").splitlines()
    for kind, parameters in PARAMETERS.items():
        row = next(line for line in lines if line.startswith(f"| `{kind}` |"))
        assert row.endswith(f"| {'; '.join(written(*each) for each in parameters.items())} |")
