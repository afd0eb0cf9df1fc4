"""Run hostile cases and print a table: `python tests/faults/hostile/run.py [--only KIND] [--seed N] [--case WORDS] [--list]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from runner import Outcome, Runner

import hfdask


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="KIND", help="cases of this kind")
    parser.add_argument("--case", metavar="WORDS", default="", help="cases with these words in their names")
    parser.add_argument("--seed", type=int, default=0, help="chooses the lies and the hostile texts")
    parser.add_argument("--every", type=int, default=1, help="every so many cases")
    parser.add_argument("--list", action="store_true", help="only print the cases' names")
    given = parser.parse_args()
    chosen = [case for case in corpus.cases(given.seed) if given.only in (None, case.kind) and given.case in case.name][
        :: given.every
    ]
    if given.list:
        print(*(case.id for case in chosen), sep="\n")
        return 0
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder))
        for case in chosen:
            outcome = runner.run(case)
            outcomes.append(outcome)
            print(f"{outcome.seconds:5.1f} s  {outcome.ended:32} {case.id}", flush=True)
            if outcome.failure:
                print(f"    FAILED: {outcome.failure}", flush=True)
        hfdask.close_browsers()
    print_table(outcomes)
    return int(any(outcome.failure for outcome in outcomes))


def print_table(outcomes: list[Outcome]) -> None:
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.case.kind].append(outcome)
    print(
        f"\n{'kind':10} {'cases':>5} {'rendered':>8} {'failures':>8} {'longest s':>9} {'growth MiB':>10} {'tree MiB':>8}  refused"
    )
    for kind, some in by_kind.items():
        ends = Counter(outcome.ended for outcome in some)
        rendered = ends.pop("rendered", 0)
        print(
            f"{kind:10} {len(some):5} {rendered:8} {sum(bool(o.failure) for o in some):8} {max(o.seconds for o in some):9.1f} "
            f"{max(o.growth for o in some) >> 20:10} {max(o.tree for o in some) >> 20:8}  "
            + ", ".join(f"{code} {count}" for code, count in ends.most_common())
        )


if __name__ == "__main__":
    sys.exit(main())
