"""Write frames that repeat the one before, without an encoder.

Many frames of a page are equal to the one before, and x264 needs as long for a repeated picture as for a simple new
one: it copies, filters and analyses all of it. But H.264 can code a repetition as a P slice in which every macroblock
is skipped. It has about twenty to a few hundred bytes, decodes to exactly the picture before, and is the same for all
frames of a size, except for the frame's number in its header. So it is made here, once per chunk.

Such a picture is a reference picture too, so the encoder's later frames must get higher numbers. The number is a field
of fixed width in front of each slice, and is replaced in place. With one reference frame (``ref=1``) the encoder's next
frame refers to the repeated picture, which is equal to the encoder's own reference.

Syntax and numbers are from ITU-T H.264 (08/2021): headers 7.3.2.1, 7.3.2.2 and 7.3.3, slice data 7.3.4, CABAC 9.3.
"""

from __future__ import annotations

import functools
import re

from msgspec import Struct

from hfdask.errors import EncodeError

_START = b"\x00\x00\x00\x01"
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_P_SLICE = 5
_WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128})

# Nothing is coded in the slice, so its quantiser only sets the initial probability of a skip.
_SLICE_QP = 40
# Table 9-13, ctxIdx 11 (mb_skip_flag of the first kind in P slices), cabac_init_idc 0.
_SKIP_M, _SKIP_N = 23, 33
# Table 9-44, rangeTabLPS, from the state that _SLICE_QP gives: more of the same symbol only ever raise it, to 62.
_FIRST_STATE = 26
_RANGE_LPS = tuple(
    tuple(map(int, row.split(",")))
    for row in [
        "37,45,54,62",
        "35,43,51,59",
        "33,41,48,56",
        "32,39,46,53",
        "30,37,43,50",
        "29,35,41,48",
        "27,33,39,45",
        "26,31,37,43",
        "24,30,35,41",
        "23,28,33,39",
        "22,27,32,37",
        "21,26,30,35",
        "20,24,29,33",
        "19,23,27,31",
        "18,22,26,30",
        "17,21,25,28",
        "16,20,23,27",
        "15,19,22,25",
        "14,18,21,24",
        "14,17,20,23",
        "13,16,19,22",
        "12,15,18,21",
        "12,14,17,20",
        "11,14,16,19",
        "11,13,15,18",
        "10,12,15,17",
        "10,12,14,16",
        "9,11,13,15",
        "9,11,12,14",
        "8,10,12,14",
        "8,9,11,13",
        "7,9,11,12",
        "7,9,10,12",
        "7,8,10,11",
        "6,8,9,11",
        "6,7,9,10",
        "6,7,8,9",
    ]
)


class SkipWriter(Struct, frozen=True):
    """Write repeated pictures of a stream, and number its other ones. Make one by `of`.

    Attributes
    ----------
    macroblocks : int
        Macroblocks of a picture.
    number_bits : int
        Width of a slice's frame number.
    """

    macroblocks: int
    number_bits: int
    parameter_set: int
    cabac: bool
    weighted: bool
    deblocking_control: bool
    initial_qp: int

    @classmethod
    def of(cls, headers: bytes) -> SkipWriter:
        """Read a stream's parameter sets.

        Parameters
        ----------
        headers : bytes
            Sequence and picture parameter set with start codes.

        Raises
        ------
        EncodeError
            If the stream uses features for which repeated pictures are not supported.
        """
        units = {unit[0] & 31: _Bits(_unescape(unit[1:])) for unit in split_units(headers)}
        if not {_SPS, _PPS} <= units.keys():
            raise EncodeError("the encoder gave no parameter sets")
        macroblocks, number_bits = _read_sequence(units[_SPS])
        return _read_picture(units[_PPS], macroblocks, number_bits)

    def picture(self, number: int) -> bytes:
        """Return a picture equal to the one before, as the ``number``-th of its group (from 0), with a start code."""
        header = _Writer()
        header.ue(0)  # first_mb_in_slice
        header.ue(_P_SLICE)
        header.ue(self.parameter_set)
        header.put(number % (1 << self.number_bits), self.number_bits)
        header.put(1, 1)  # num_ref_idx_active_override_flag
        header.ue(0)  # one reference
        header.put(0, 1)  # ref_pic_list_modification_flag_l0
        if self.weighted:
            header.ue(0)  # luma_log2_weight_denom
            header.ue(0)  # chroma_log2_weight_denom
            header.put(0, 2)  # no weight for luma, none for chroma
        header.put(0, 1)  # adaptive_ref_pic_marking_mode_flag
        if self.cabac:
            header.ue(0)  # cabac_init_idc
        header.se(_SLICE_QP - self.initial_qp)
        if self.deblocking_control:
            header.ue(1)  # no deblocking
        if self.cabac:
            payload = header.aligned(1) + _all_skipped(self.macroblocks)
        else:
            header.ue(self.macroblocks)  # mb_skip_run
            header.put(1, 1)
            payload = header.aligned(0)
        return _START + bytes([0x40 | _SLICE]) + _escape(payload)

    def numbered(self, packet: bytes, number: int) -> bytes:
        """Return an encoder's packet with its slices numbered as the ``number``-th picture of the group."""
        return b"".join(_START + self._number(unit, number) for unit in split_units(packet))

    def _number(self, unit: bytes, number: int) -> bytes:
        if unit[0] & 31 != _SLICE:
            return unit
        data = _unescape(unit[1:])
        bits = _Bits(data)
        for _ in range(3):
            bits.ue()
        shift = 8 * len(data) - bits.position - self.number_bits
        mask = ((1 << self.number_bits) - 1) << shift
        value = int.from_bytes(data) & ~mask | (number % (1 << self.number_bits)) << shift
        return unit[:1] + _escape(value.to_bytes(len(data)))


def split_units(stream: bytes) -> list[bytes]:
    """Yield the NAL units of a byte stream, without start codes."""
    return [unit for unit in re.split(rb"\x00\x00\x00\x01|\x00\x00\x01", stream) if unit]


def _read_sequence(bits: _Bits) -> tuple[int, int]:
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    if profile in _WITH_CHROMA_FORMAT:
        if bits.ue() == 3:
            bits.take(1)
        bits.ue()
        bits.ue()
        bits.take(1)
        _require(bits.take(1) == 0, "scaling matrices")
    number_bits = bits.ue() + 4
    _require(bits.ue() == 2, "pictures out of order")
    _require(bits.ue() == 1, "more than one reference frame")
    bits.take(1)
    macroblocks = (bits.ue() + 1) * (bits.ue() + 1)
    _require(bits.take(1) == 1, "interlacing")
    return macroblocks, number_bits


def _read_picture(bits: _Bits, macroblocks: int, number_bits: int) -> SkipWriter:
    parameter_set, _, cabac = bits.ue(), bits.ue(), bits.take(1)
    bits.take(1)
    _require(bits.ue() == 0, "slice groups")
    bits.ue()
    bits.ue()
    weighted, _, initial_qp = bits.take(1), bits.take(2), 26 + bits.se()
    bits.se()
    bits.se()
    deblocking_control = bits.take(1)
    bits.take(1)
    _require(bits.take(1) == 0, "redundant pictures")
    return SkipWriter(
        macroblocks, number_bits, parameter_set, bool(cabac), bool(weighted), bool(deblocking_control), initial_qp
    )


def _require(fact: bool, what: str) -> None:
    if not fact:
        raise EncodeError(
            f"a stream with {what} cannot repeat pictures; the encoder's settings are not the planned ones"
        )


@functools.lru_cache(maxsize=8)
def _all_skipped(macroblocks: int) -> bytes:
    """Return slice data that skips each macroblock: a skip flag of 1, and an end flag of 0 (1 for the last one)."""
    coder = _Arithmetic()
    for position in range(macroblocks):
        coder.skip()
        coder.end(last=position == macroblocks - 1)
    return coder.bits.aligned(0)


class _Arithmetic:
    """The CABAC encoder of 9.3.4.2 for two symbols: a skip, which is always the more probable one, and an end flag."""

    def __init__(self) -> None:
        state = min(126, max(1, ((_SKIP_M * _SLICE_QP) >> 4) + _SKIP_N))
        self._state = state - 64
        assert self._state == _FIRST_STATE
        self._low, self._range = 0, 510
        self._outstanding, self._first = 0, True
        self.bits = _Writer()

    def skip(self) -> None:
        self._range -= _RANGE_LPS[self._state - _FIRST_STATE][(self._range >> 6) & 3]
        self._state = min(self._state + 1, 62)
        self._normalise()

    def end(self, *, last: bool) -> None:
        self._range -= 2
        if last:
            self._low += self._range
            self._range = 2
        self._normalise()
        if last:
            self._put((self._low >> 9) & 1)
            self.bits.put((self._low >> 7) & 3 | 1, 2)

    def _normalise(self) -> None:
        while self._range < 256:
            if self._low < 256:
                self._put(0)
            elif self._low >= 512:
                self._low -= 512
                self._put(1)
            else:
                self._low -= 256
                self._outstanding += 1
            self._range <<= 1
            self._low <<= 1

    def _put(self, bit: int) -> None:
        if self._first:
            self._first = False
        else:
            self.bits.put(bit, 1)
        for _ in range(self._outstanding):
            self.bits.put(1 - bit, 1)
        self._outstanding = 0


class _Bits:
    """Read bits and Exp-Golomb codes (9.1)."""

    def __init__(self, data: bytes) -> None:
        # Headers are short; the data after them is not read.
        self._value = int.from_bytes(data[:64])
        self._length = 8 * len(data[:64])
        self.position = 0

    def take(self, count: int) -> int:
        self.position += count
        if self.position > self._length:
            raise EncodeError("a header of the encoder ends too early")
        return (self._value >> (self._length - self.position)) & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


class _Writer:
    """Write bits and Exp-Golomb codes (9.1)."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def put(self, value: int, count: int) -> None:
        self._bits.append(f"{value:0{count}b}")

    def ue(self, value: int) -> None:
        width = (value + 1).bit_length()
        self.put(value + 1, 2 * width - 1)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def aligned(self, filler: int) -> bytes:
        """Return all bits, with the last byte filled with this bit."""
        text = "".join(self._bits)
        text += str(filler) * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8)


def _unescape(data: bytes) -> bytes:
    return data.replace(b"\x00\x00\x03", b"\x00\x00")


def _escape(data: bytes) -> bytes:
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", data)
