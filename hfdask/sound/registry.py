"""List the parameters of all effects: names, ranges and defaults, and if automation can change them (docs/compositions.md, 10)."""

from __future__ import annotations

from msgspec import Struct

from hfdask.core.sound import Effect, EffectType


class Number(Struct, frozen=True):
    """A parameter that is a number.

    Attributes
    ----------
    low, high : float
        Its range.
    default : float
    log : bool
        True if lanes interpolate its logarithm.
    moves : bool
        True if lanes can change it.
    """

    low: float
    high: float
    default: float
    log: bool = False
    moves: bool = False


class Choice(Struct, frozen=True):
    """A parameter that is one of a few texts. The first is its default."""

    texts: tuple[str, ...]


Parameter = Number | Choice


def _frequency(default: float, low: float = 20, high: float = 20_000) -> Number:
    return Number(low, high, default, log=True, moves=True)


def _q(default: float) -> Number:
    return Number(0.1, 20, default, log=True, moves=True)


_GAIN = Number(-40, 40, 0, moves=True)
_POLES = Choice(("2", "1"))
_SHARE = Number(0, 1, 1)

PARAMETERS: dict[EffectType, dict[str, Parameter]] = {
    "gain": {"gain": Number(-60, 12, 0, moves=True)},
    "peaking": {"frequency": _frequency(1000), "gain": _GAIN, "q": _q(1)},
    "lowshelf": {"frequency": _frequency(200, high=2000), "gain": _GAIN},
    "highshelf": {"frequency": _frequency(4000, low=500), "gain": _GAIN},
    "highpass": {"frequency": _frequency(300), "q": _q(0.707), "poles": _POLES},
    "lowpass": {"frequency": _frequency(8000, low=100), "q": _q(0.707), "poles": _POLES},
    "compressor": {
        "threshold": Number(-60, 0, -24),
        "ratio": Number(1, 20, 4),
        "attack": Number(0.01, 2000, 20),
        "release": Number(0.01, 9000, 250),
        "knee": Number(1, 8, 2.83),
        "makeup": Number(0, 36, 0),
        "mix": _SHARE,
    },
    "limiter": {
        "limit": Number(-24, 0, -1),
        "attack": Number(0.1, 80, 5),
        "release": Number(1, 8000, 50),
        "level_out": Number(-24, 24, 0),
    },
    "truepeak": {
        "ceiling": Number(-24, 0, -1),
        "lookahead": Number(0.5, 10, 3),
        "release": Number(10, 2000, 80),
    },
    "gate": {
        "threshold": Number(-80, 0, -35),
        "range": Number(-80, 0, -24),
        "ratio": Number(1, 20, 10),
        "attack": Number(0.01, 9000, 1),
        "release": Number(0.01, 9000, 100),
        "knee": Number(1, 8, 2.83),
    },
    "saturate": {
        "type": Choice(("tanh", "atan", "cubic", "exp", "alg", "quintic", "sin", "erf", "hard")),
        "threshold": Number(-40, 0, -6),
        "output": Number(-24, 24, 0, moves=True),
        "oversample": Number(1, 8, 4),
    },
    "bitcrush": {"bits": Number(1, 32, 8), "samples": Number(1, 250, 1), "mix": _SHARE},
    "pitchshift": {"semitones": Number(-12, 12, 0), "mix": _SHARE},
    "delay": {
        "time": Number(1, 5000, 250, log=True, moves=True),
        "feedback": Number(0.01, 0.95, 0.35, moves=True),
        "mix": Number(0, 1, 0.4, moves=True),
    },
    "chorus": {
        "delay": Number(1, 100, 7, moves=True),
        "depth": Number(0, 10, 2, moves=True),
        "speed": Number(0.01, 10, 1, moves=True),
        "mix": Number(0, 1, 0.5, moves=True),
    },
    "phaser": {
        "in_gain": Number(0, 1, 0.4, moves=True),
        "out_gain": Number(0, 2, 0.74, moves=True),
        "delay": Number(0.1, 5, 3),
        "decay": Number(0, 0.99, 0.4),
        "speed": Number(0.1, 2, 0.5, moves=True),
        "type": Choice(("0", "1")),
    },
    "reverb": {
        "size": Number(0.05, 1, 0.7),
        "damping": Number(0, 1, 0.5),
        "wet": Number(0, 1, 0.35, moves=True),
        "dry": Number(0, 1, 0.7, moves=True),
    },
}
"""The parameters of each type of effect."""


def value_of(effect: Effect, name: str) -> float:
    """Return a parameter of an effect that is a number. If it is not set, it has its default."""
    number = number_of(effect, name)
    value = effect.parameters.get(name, number.default)
    if isinstance(value, str):
        raise TypeError(f"{name} of {effect.type} is a text, not a number")
    return min(max(value, number.low), number.high)


def choice_of(effect: Effect, name: str) -> str:
    """Return a parameter of an effect that is a text. If it is not set, it has its default."""
    choice = PARAMETERS[effect.type][name]
    assert isinstance(choice, Choice)
    value = effect.parameters.get(name)
    return value if isinstance(value, str) and value in choice.texts else choice.texts[0]


def number_of(effect: Effect, name: str) -> Number:
    """Return the range of a parameter of an effect that is a number."""
    number = PARAMETERS[effect.type][name]
    assert isinstance(number, Number)
    return number


def moving(effect: Effect, name: str) -> Number | None:
    """Return the range of a parameter that a lane can change, or None. A filter of one pole cannot be changed."""
    parameter = PARAMETERS[effect.type].get(name)
    if not isinstance(parameter, Number) or not parameter.moves:
        return None
    if "poles" in PARAMETERS[effect.type] and choice_of(effect, "poles") == "1":
        return None
    return parameter
