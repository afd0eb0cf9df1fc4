"""What happened in rounds of chaos, for people."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Ended:
    """How a command ended: ``ok``, the code of a typed error, ``killed``, ``mute`` (a status and no word), ``UNTYPED`` or ``HANGS``."""

    how: str
    seconds: float
    said: str = ""


@dataclass
class Round:
    """What happened in a round, and what was wrong with it."""

    number: int
    target: str
    fault: str
    moment: float = 0.0
    hit: bool = False
    commands: list[Ended] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    equal: bool = False

    @property
    def good(self) -> bool:
        return self.equal and not self.wrong and not self.left

    def __str__(self) -> str:
        ends = ", ".join(f"{end.how} after {end.seconds:.1f} s" for end in self.commands)
        what = self.target if self.fault == "no" else f"{self.fault} {self.target}"
        missed = "" if self.fault == "no" else ": missed"
        hit = f"{what} at {self.moment:.1f} s" if self.hit else what + missed
        bad = "; ".join([*self.wrong, *(f"left: {each}" for each in self.left)])
        return f"{self.number:4d} {'ok    ' if self.good else 'FAILED'} {hit}: {ends}" + (f": {bad}" if bad else "")


def table(rounds: list[Round]) -> str:
    """The rounds by fault and target, as Markdown."""
    groups: dict[tuple[str, str], list[Round]] = defaultdict(list)
    for each in rounds:
        groups[each.fault, each.target].append(each)
    lines = [
        "| fault | target | rounds | recovered | typed errors | longest s | digest equal | left over |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (fault, target), group in sorted(groups.items()):
        first = [each.commands[0].how for each in group if each.commands]
        codes = sorted({how for how in first if how.isupper()})
        longest = max((end.seconds for each in group for end in each.commands), default=0.0)
        lines.append(
            f"| {fault} | {target} | {len(group)} | {first.count('ok')} | {', '.join(codes) or '-'} | {longest:.0f} | "
            f"{sum(each.equal for each in group)} | {sum(len(each.left) for each in group)} |"
        )
    return "\n".join(lines)
