from __future__ import annotations

import pytest
from samples import EXAMPLES


@pytest.fixture(scope="session")
def gsap() -> bytes:
    """GSAP's script, which `make setup` takes from npm: its licence does not let us keep a copy."""
    script = EXAMPLES / "gsap" / "vendor" / "gsap.min.js"
    if not script.is_file():
        pytest.fail(f"{script} is missing; `make setup` fetches it with npm")
    return script.read_bytes()
