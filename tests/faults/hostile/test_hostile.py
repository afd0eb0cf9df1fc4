"""Hostile pages and documents: each ends in the right pictures or a typed error, in bounded time and memory, and the next render is right.

`python tests/faults/hostile/run.py` runs the same cases by kind or seed, and prints a table.
"""

from __future__ import annotations

import corpus
import pytest
from case import Case
from runner import Runner
from slow import marks_in_corpus

pytestmark = pytest.mark.browser

# One of each kind, quick ones. One of eight goes with `make test-all`, the others with `make test-corpus`.
ALWAYS = {
    "lie:known_matches_huge_end",
    "mischief:dialogs",
    "mischief:leaving_at_a_frame",
    "throw:a_proxy_in_a_script",
    "bomb:nested_uses",
    "words:a_lone_surrogate_as_a_message",
    "document:an_empty_sub_composition",
}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("hostile"))


def some_slow(cases: list[Case]) -> list[object]:
    return [
        pytest.param(case, id=case.id, marks=[] if case.id in ALWAYS else marks_in_corpus(number, 8))
        for number, case in enumerate(cases)
    ]


@pytest.mark.sample(
    "bomb:nested_uses", "document:an_empty_sub_composition", "throw:a_proxy_in_a_script", "mischief:leaving_at_a_frame"
)
@pytest.mark.parametrize("case", some_slow(corpus.cases()))
def test_a_hostile_case_ends_well_and_so_does_the_next_render(case: Case, runner: Runner) -> None:
    outcome = runner.run(case)
    assert not outcome.failure, outcome.failure


def test_the_cases_are_many_and_all_of_another_name() -> None:
    cases = corpus.cases()
    assert len(cases) >= 200
    assert len({case.id for case in cases}) == len(cases)
    assert {case.id for case in cases} >= ALWAYS
