"""Pictures out of a store: nothing of another size than the plan's is decoded, and nothing but pixels."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from media_samples import pixels_digest

from hfdask.errors import MediaError
from hfdask.media.picture import decode_frame, decode_png, frame_digest

SIZE = (32, 16)


def part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes | None = None, extra: bytes = b"", header: bytes = b"") -> bytes:
    """A grey RGB picture, with more parts before its pixels."""
    rows = (b"\0" + b"\x80" * 3 * width) * height if rows is None else rows
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + part(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
        + extra
        + part(b"IDAT", zlib.compress(rows, 9))
        + part(b"IEND", b"")
    )


def test_a_picture_of_the_right_size_is_the_same_with_and_without_one():
    plain = decode_png(png(*SIZE))
    assert plain.shape == (16, 32, 3)
    assert np.array_equal(decode_png(png(*SIZE), size=SIZE), plain)
    assert frame_digest(decode_frame(png(*SIZE), size=SIZE)) == pixels_digest(plain)
    assert np.array_equal(decode_png(png(*SIZE, extra=part(b"tEXt", b"a\0b")), size=SIZE), plain)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG",
        png(33, 16),
        png(16, 32),
        png(60_000, 60_000, rows=b""),
        png(*SIZE)[:-1],
        png(*SIZE)[:60],
        png(*SIZE, header=part(b"tEXt", b"a\0b")),
        png(*SIZE).replace(b"\x89PNG", b"\x8aMNG"),
        png(*SIZE, extra=part(b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0))),
        png(*SIZE, extra=b"\xff\xff\xff\xffjunk"),
        png(*SIZE) + b"\0" * 2_000_000,
        b"\xff\xd8\xff\xe0 JPEG",
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(MediaError):
        decode_png(data, size=SIZE)


def test_what_is_packed_besides_pixels_stays_packed():
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"x" * 10**6) for _ in range(150)) + packer.flush()
    bomb = part(b"zTXt", b"a\0\0" + packed)
    before = peak_memory()
    assert decode_png(png(*SIZE, extra=bomb), size=SIZE).shape == (16, 32, 3)
    assert peak_memory() - before < 50_000_000


def peak_memory() -> int:
    """Bytes of memory that this process has had at most."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
