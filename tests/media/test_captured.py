"""A captured picture is the same whether the browser gave a PNG or pixels in shared memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from media_samples import NTSC, picture, planes_of, png

from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.samples import Samples
from hfdask.formats.table import encoder_settings
from hfdask.media.captured import BEHIND, Picture, PixelPicture, PngPicture
from hfdask.media.picture import Converter, Pixels, decode_png

SIZES = [(64, 48), (63, 47), (16, 16), (642, 2)]


def in_memory(pixels: Pixels) -> Pixels:
    """The pixels as a page writes them: blue, green, red, and a byte that means nothing."""
    height, width, _ = pixels.shape
    room = np.random.default_rng(1).integers(0, 256, 4 * height * width + BEHIND, np.uint8)
    memory = room[: 4 * height * width].reshape(height, width, 4)
    memory[..., :3] = pixels[..., ::-1]
    memory.flags.writeable = False
    return memory


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_equal_pixels_have_equal_digests_and_equal_video_in_both_forms(width, height):
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    decoded, shared = PngPicture(png(pixels)), PixelPicture(in_memory(pixels))
    samples = Samples(encoder_settings("draft", None, None, NTSC))
    assert samples.digest(shared) == samples.digest(decoded) == samples.digest(shared.keep())
    assert (shared.pixels == pixels).all()
    assert (decode_png(shared.png, size=(width, height)) == pixels).all()


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p10le", "yuv444p12le"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pixels_in_their_place_are_converted_as_their_copy(pixel_format, width, height):
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    shared = PixelPicture(in_memory(pixels))
    from_place, from_copy = (Converter(pixel_format).convert(each) for each in (shared.source, shared.frame))
    assert all(map(np.array_equal, planes_of(from_place), planes_of(from_copy)))
    shared.release()  # there is only the copy now
    assert shared.source is shared.frame


_AT_THE_END = """
import ctypes, mmap
import numpy as np
from hfdask.media.captured import BEHIND, PixelPicture
from hfdask.media.picture import Converter
memory = mmap.mmap(-1, 64 * mmap.PAGESIZE)
end = 63 * mmap.PAGESIZE
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + end), mmap.PAGESIZE, 0) == 0
for width in range(2, 70):
    for height in (2, 3, 5):
        size = 4 * width * height
        pixels = np.frombuffer(memory, np.uint8, size, end - BEHIND - size).reshape(height, width, 4)
        for pixel_format in ("yuv420p", "yuv444p10le"):
            picture = PixelPicture(pixels)
            Converter(pixel_format).convert(picture.source)
            picture.frame
print("read", flush=True)
"""


def test_no_more_is_read_behind_the_pixels_than_there_is_room_for():
    done = subprocess.run([sys.executable, "-c", _AT_THE_END], capture_output=True, text=True, check=False)
    assert done.stdout == "read\n", (done.returncode, done.stderr)


def test_a_chunk_has_the_same_bytes_from_both_forms(tmp_path):
    def encoded(name: str, form: type[Picture], pixels: list[Pixels]) -> bytes:
        path = tmp_path / name
        with ChunkEncoder(path, encoder_settings("draft", None, None, NTSC), NTSC, 64, 48, 4) as encoder:
            for each in pixels:
                encoder.encode(PngPicture(png(each)) if form is PngPicture else PixelPicture(in_memory(each)))
        return path.read_bytes()

    pixels = [picture(number, 64, 48) for number in (0, 1, 1, 7)]
    assert encoded("a.mp4", PngPicture, pixels) == encoded("b.mp4", PixelPicture, pixels)


def test_memory_is_given_back_once_when_a_picture_is_kept():
    given_back = []
    memory = in_memory(picture(3))
    shared = PixelPicture(memory, lambda: given_back.append(1))
    assert (shared.pixels == picture(3)).all()
    assert not given_back
    assert shared.keep() is shared
    assert given_back == [1]
    memory.flags.writeable = True
    memory[:] = 0  # the page draws the next picture there
    assert (shared.pixels == picture(3)).all()
    shared.release()
    assert given_back == [1]


def test_a_picture_that_was_released_cannot_be_read_unless_it_was_before():
    given_back = []
    unread, read = (PixelPicture(in_memory(picture(3)), lambda: given_back.append(1)) for _ in range(2))
    assert (read.pixels == picture(3)).all()
    for each in (unread, read):
        each.release()
    assert given_back == [1, 1]
    assert (read.pixels == picture(3)).all()
    with pytest.raises(BufferError, match="released"):
        _ = unread.frame


def test_a_picture_that_nobody_reads_gives_its_memory_back():
    given_back = []
    PixelPicture(in_memory(picture(3)), lambda: given_back.append(1)).release()
    assert given_back == [1]
