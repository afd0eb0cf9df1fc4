"""Plans with sounds that no page has, for tests of what is done with a mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from mix_samples import Samples, mixed

import hfdask
import hfdask.cluster.handle
from hfdask.core.model import pretty_json
from hfdask.core.sound import PlannedSound
from hfdask.manifest.location import MANIFEST
from hfdask.store.content import object_name


def with_sound(plan: hfdask.Plan, sound: Samples, folder: Path, gain: float = 1.0) -> hfdask.Plan:
    """Give a stored plan this mix, and store it again. Do so before its chunks are rendered."""
    planned = mixed(folder / "mix.flac", sound, gain)
    store = plan.location.store()
    store.put(object_name(planned.sha256), (folder / "mix.flac").read_bytes())
    manifest = msgspec.structs.replace(plan.manifest, sound=planned).sealed()
    store.put(MANIFEST, pretty_json(manifest))
    return replace(plan, manifest=manifest)


@contextmanager
def renders_sound(sound: Samples, folder: Path, gain: float = 1.0) -> Iterator[None]:
    """Let every render of this process that plans here have this mix."""
    original: Callable[..., hfdask.Plan] = vars(hfdask.cluster.handle)["plan_with"]

    def planned(*arguments: Any, **options: Any) -> hfdask.Plan:
        return with_sound(original(*arguments, **options), sound, folder, gain)

    with mock.patch.object(hfdask.cluster.handle, "plan_with", planned):
        yield


def mix_of(plan: hfdask.Plan) -> tuple[PlannedSound, Path]:
    """Return a plan's sound, and the file of its mix in a local store."""
    sound = plan.manifest.sound
    assert sound is not None
    return sound, Path(plan.location.store().path) / object_name(sound.sha256)
