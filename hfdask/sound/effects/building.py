"""Make effects from their parameters and lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from hfdask.core.sound import Effect, EffectType, Lane
from hfdask.sound.effects.dynamics import Compressor, Gate, Limiter
from hfdask.sound.effects.echoes import Chorus, Delay, PitchShift, Reverb
from hfdask.sound.effects.filters import Filter, Gain, OnePole, Phaser
from hfdask.sound.effects.parts import Knob, Processor
from hfdask.sound.effects.shapers import Bitcrush, Saturate
from hfdask.sound.effects.true_peak import TruePeak
from hfdask.sound.registry import choice_of, moving, value_of


class _Settings(Struct, frozen=True):
    """The parameters of one effect, and the lanes of its chain by target."""

    effect: Effect
    lanes: Mapping[str, Lane]
    channels: int

    def value(self, name: str) -> float:
        return value_of(self.effect, name)

    def values(self, *names: str) -> dict[str, float]:
        return {name: value_of(self.effect, name) for name in names}

    def choice(self, name: str) -> str:
        return choice_of(self.effect, name)

    def knob(self, name: str) -> Knob:
        number = moving(self.effect, name)
        if number is None:
            return Knob(self.value(name))
        return Knob(self.value(name), self.lanes.get(f"fx.{self.effect.id}.{name}"), number.log)


def build(effect: Effect, lanes: Mapping[str, Lane], channels: int) -> Processor:
    """Return an effect at work. ``lanes`` are the lanes of its chain, by target."""
    return _BUILDERS[effect.type](_Settings(effect, lanes, channels))


def _filter(of: _Settings) -> Processor:
    gain = of.knob("gain") if of.effect.type not in ("highpass", "lowpass") else Knob(0.0)
    q = of.knob("q") if of.effect.type in ("peaking", "highpass", "lowpass") else Knob(1.0)
    return Filter(of.effect.type, of.channels, of.knob("frequency"), gain, q)


def _pass(of: _Settings) -> Processor:
    if of.choice("poles") == "1":
        return OnePole(of.effect.type, of.channels, of.value("frequency"))
    return _filter(of)


def _saturate(of: _Settings) -> Processor:
    return Saturate(
        of.channels, shape=of.choice("type"), output=of.knob("output"), **of.values("threshold", "oversample")
    )


def _phaser(of: _Settings) -> Processor:
    return Phaser(
        of.channels,
        in_gain=of.knob("in_gain"),
        out_gain=of.knob("out_gain"),
        speed=of.knob("speed"),
        sine=of.choice("type") == "1",
        **of.values("delay", "decay"),
    )


def _reverb(of: _Settings) -> Processor:
    return Reverb(of.channels, wet=of.knob("wet"), dry=of.knob("dry"), **of.values("size", "damping"))


_BUILDERS: dict[EffectType, Callable[[_Settings], Processor]] = {
    "gain": lambda of: Gain(of.knob("gain")),
    "peaking": _filter,
    "lowshelf": _filter,
    "highshelf": _filter,
    "highpass": _pass,
    "lowpass": _pass,
    "compressor": lambda of: Compressor(
        of.channels, **of.values("threshold", "ratio", "attack", "release", "knee", "makeup", "mix")
    ),
    "limiter": lambda of: Limiter(of.channels, **of.values("limit", "attack", "release", "level_out")),
    "truepeak": lambda of: TruePeak(of.channels, **of.values("ceiling", "lookahead", "release")),
    "gate": lambda of: Gate(of.channels, **of.values("threshold", "range", "ratio", "attack", "release")),
    "saturate": _saturate,
    "bitcrush": lambda of: Bitcrush(of.channels, **of.values("bits", "samples", "mix")),
    "pitchshift": lambda of: PitchShift(of.channels, **of.values("semitones", "mix")),
    "delay": lambda of: Delay(of.channels, of.knob("time"), of.knob("feedback"), of.knob("mix")),
    "chorus": lambda of: Chorus(of.channels, of.knob("delay"), of.knob("depth"), of.knob("speed"), of.knob("mix")),
    "phaser": _phaser,
    "reverb": _reverb,
}
