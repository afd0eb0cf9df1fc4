"""Encode a plan's sound in a thread, beside the assembly of its video."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfdask.core.model import Manifest
from hfdask.core.sound import CEILING, PlannedSound, SoundReport
from hfdask.errors import RenderCancelledError
from hfdask.media.sound_file import Encoding
from hfdask.store import Store, materialised

if TYPE_CHECKING:
    from hfdask.sound.encode import EncodedSound

POLL = 0.1
"""Seconds between looks for a cancellation."""


class SoundThread:
    """Encode the mix of a plan from the beginning of a block on. At its end, what is not finished is given up.

    Parameters
    ----------
    store : Store
        The plan's.
    manifest : Manifest
    sound : PlannedSound
        The manifest's.
    folder : Path
        A scratch folder for the encoded file.
    encoding : Encoding
        The format's.
    """

    def __init__(self, store: Store, manifest: Manifest, sound: PlannedSound, folder: Path, encoding: Encoding) -> None:
        self._store, self._manifest, self._planned, self._folder = store, manifest, sound, folder
        self._encoding = encoding
        self._left = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hfdask-sound")

    def __enter__(self) -> SoundThread:
        self._encoded = self._pool.submit(self._encode)
        return self

    def __exit__(self, *_: Any) -> None:
        self._left.set()
        self._pool.shutdown(wait=True)

    def require(self) -> None:
        """Raise the error of the encoding, if it has failed by now.

        Raises
        ------
        PlanError, StoreError, StoreRefusedError
            If the mix is missing, damaged, or out of reach.
        EncodeError, DiskFullError
        """
        if self._encoded.done():
            self._encoded.result()

    def result(self, going: Callable[[], None] = lambda: None) -> EncodedSound:
        """Wait for the encoded sound.

        Parameters
        ----------
        going : callable
            Called a few times a second; what it raises ends the wait.

        Raises
        ------
        HfdaskError
            As `require`.
        """
        while not self._encoded.done():
            going()
            wait([self._encoded], timeout=POLL)
        return self._encoded.result()

    def report(self) -> SoundReport:
        """Describe the sound, once it is encoded."""
        encoded = self.result()
        return SoundReport(
            tracks=self._planned.tracks,
            true_peak=round(encoded.true_peak, 2),
            loudness=None if encoded.loudness is None else round(encoded.loudness, 2),
            clipped=self._planned.clipped,
            lowered=encoded.lowered,
        )

    def _encode(self) -> EncodedSound:
        from hfdask.sound.encode import encode_sound  # SciPy takes half a second, and most workers never need it

        with materialised(self._store, self._manifest.objects, [self._planned]) as files:
            mix = files[self._planned.sha256]
            return encode_sound(mix, self._planned, self._folder, self._encoding, going=self._going)

    def _going(self) -> None:
        if self._left.is_set():
            raise RenderCancelledError("the assembly ended before its sound was encoded")


def sound_warnings(sound: SoundReport | None) -> list[str]:
    """Return a warning if the sound was lowered."""
    if sound is None or not sound.lowered:
        return []
    return [
        f"the sound was lowered by {sound.lowered:.2f} dB, because its true peak was above {CEILING:g} dBTP: lower the volume of its "
        "tracks to choose their levels yourself"
    ]
