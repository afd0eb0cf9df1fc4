"""Types of documents are safe to use in threads."""

from __future__ import annotations

import subprocess
import sys

FIRST_USES = """
import sys, threading
from typing import Annotated
import msgspec
from hfdask.core.model import decode

sys.setswitchinterval(1e-6)

def new_kind():
    text = Annotated[str, msgspec.Meta(pattern="^a")]
    part = msgspec.defstruct("Part", [(f"f{n}", text) for n in range(20)])
    return msgspec.defstruct("Whole", [(f"p{n}", tuple[part, ...]) for n in range(20)])

data = msgspec.json.encode({f"p{n}": [{f"f{m}": "a" for m in range(20)}] for n in range(20)})
for _ in range(60):
    kind, barrier = new_kind(), threading.Barrier(4)
    threads = [threading.Thread(target=lambda: barrier.wait() is None or decode(data, kind, "it")) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def test_threads_may_read_a_kind_of_document_for_the_first_time_together():
    assert subprocess.run([sys.executable, "-c", FIRST_USES], check=False).returncode == 0
