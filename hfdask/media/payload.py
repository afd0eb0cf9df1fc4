"""Recognise by its first bytes a file that is not media at all, or that was cut, before FFmpeg guesses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from hfdask.errors import AssetError, MediaTypeError, NotMediaError
from hfdask.text import legible

_TEXT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*[<{\[]")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_STARTS = (b"\x1a\x45\xdf\xa3", b"RIFF", b"fLaC", b"OggS")


def check_payload(path: Path, kind: Literal["video", "sound"]) -> bool:
    """Check that a file may be media. Return false if it is empty.

    Raises
    ------
    AssetError
        If there is no such file.
    NotMediaError
        If it holds HTML, XML or JSON.
    MediaTypeError
        If it is a picture.
    OSError
        If this machine cannot read it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except FileNotFoundError as error:
        raise AssetError(f"{path} does not exist; add the {kind}, or correct its path", path=str(path)) from error
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode()
    thing = "a video" if kind == "video" else "sound"
    if _TEXT.match(head):
        begins = legible(head[:20].decode(errors="replace"))
        raise NotMediaError(
            f'{path} holds a text ("{begins}") instead of {thing}, as an error page of a server does; fetch the {kind} '
            "again, or correct its address",
            path=str(path),
        )
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise MediaTypeError(f"{path} is a picture, not {thing}; show it with <img>", path=str(path), found="picture")
    return bool(head)


def why_unopened(path: Path, error: Exception, kinds: str) -> tuple[str, str]:
    """Say why FFmpeg cannot open a file: the ``reason`` in the details of an error, and its words.

    FFmpeg reports the same error for a file that the machine cannot read as for a damaged file, so the whole file is read.

    Parameters
    ----------
    path : Path
    error : Exception
        FFmpeg's error.
    kinds : str
        The files that can be opened, with an article.

    Returns
    -------
    reason : "truncated" or "container"
        It is ``truncated`` if the file begins as media does.
    why : str

    Raises
    ------
    OSError
        If this machine cannot read it.
    """
    with path.open("rb") as file:
        head = file.read(12)
        while file.read(2**20):
            pass
    if head[4:8] in _BOXES or head.startswith(_STARTS):
        return "truncated", f"it was cut, or is damaged ({error}); copy or record it again"
    return "container", f"it is not {kinds}, or is damaged ({error})"
