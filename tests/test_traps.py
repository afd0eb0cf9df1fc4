"""The table of traps in `tests/compositions/README.md` names existing files."""

from __future__ import annotations

import re

import pytest
from samples import COMPOSITIONS

TESTS = COMPOSITIONS.parent
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (COMPOSITIONS / "README.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"trap_{row[0]}")
def test_every_trap_has_what_its_row_says(row):
    _, _, compositions, tests = row
    for name in filter(None, compositions.split(", ")):
        assert (COMPOSITIONS / name / "index.html").is_file(), name
    assert tests
    for test in tests.split(", "):
        module, _, function = test.partition("::")
        (file,) = TESTS.rglob(f"{module}.py")
        assert re.search(rf"^def {function}\(", file.read_text(), re.MULTILINE), test
