"""Loops over samples in which each sample depends on the one before, compiled with numba.

State is passed in and left behind, so consecutive calls give the same samples as one call. All arrays are C-contiguous. Values
near zero become zero, because arithmetic on the smallest numbers is many times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_Function = TypeVar("_Function", bound=Callable[..., object])

_SILENT = 1e-30
_BLOCK = 512  # samples that stay in the nearest cache


def _compiled(function: _Function) -> _Function:
    # Without a cache on disk: numba fails if the disk is full or a file of the cache is damaged, and saves half a second.
    return cast(_Function, njit(nogil=True)(function))


@_compiled
def biquad(x: Floats, coefficients: Floats, state: Floats) -> Floats:
    """Filter channels by ``y = b0 x + b1 x' + b2 x'' - a1 y' - a2 y''``.

    Parameters
    ----------
    x : float64 array of shape (channels, samples)
    coefficients : float64 array of shape (5, samples) or (5, 1)
        b0, b1, b2, a1 and a2 of each sample, or of all.
    state : float64 array of shape (channels, 4)
        x', x'', y' and y'' of each channel.
    """
    y = np.empty_like(x)
    step = 1 if coefficients.shape[1] > 1 else 0
    for channel in range(x.shape[0]):
        x1, x2, y1, y2 = state[channel, 0], state[channel, 1], state[channel, 2], state[channel, 3]
        for i in range(x.shape[1]):
            k = i * step
            new = (
                coefficients[0, k] * x[channel, i]
                + coefficients[1, k] * x1
                + coefficients[2, k] * x2
                - coefficients[3, k] * y1
                - coefficients[4, k] * y2
            )
            if abs(new) < _SILENT:
                new = 0.0
            x2, x1 = x1, x[channel, i]
            y2, y1 = y1, new
            y[channel, i] = new
        state[channel, 0], state[channel, 1], state[channel, 2], state[channel, 3] = x1, x2, y1, y2
    return y


@_compiled
def follow(x: Floats, attack: float, release: float, state: Floats) -> Floats:
    """Follow channels by one pole, which is ``attack`` while the input is above the output, else ``release``."""
    y = np.empty_like(x)
    for channel in range(x.shape[0]):
        last = state[channel]
        for i in range(x.shape[1]):
            new = x[channel, i]
            last = new + (attack if new > last else release) * (last - new)
            if last < _SILENT:
                last = 0.0
            y[channel, i] = last
        state[channel] = last
    return y


@_compiled
def fir(x: Floats, taps: Floats) -> Floats:
    """Convolve channels with taps. The result is shorter than ``x`` by the taps but one."""
    count = x.shape[1] - taps.size + 1
    y = np.zeros((x.shape[0], count))
    for channel in range(x.shape[0]):
        for start in range(0, count, _BLOCK):
            out = y[channel, start : start + _BLOCK]
            for tap in range(taps.size):
                first = start + taps.size - 1 - tap
                part, factor = x[channel, first : first + out.size], taps[tap]
                for i in range(out.size):  # over slices, for which the compiler uses vector instructions
                    out[i] += factor * part[i]
    return y


@_compiled
def look_up(x: Floats, table: Floats) -> Floats:
    """Interpolate linearly in a table of values from -1 to 1."""
    last = table.size - 1
    y = np.empty_like(x)
    for channel in range(x.shape[0]):
        for i in range(x.shape[1]):
            place = (x[channel, i] + 1) * 0.5 * last
            if place <= 0:
                y[channel, i] = table[0]
            elif place >= last:
                y[channel, i] = table[last]
            else:
                low = int(place)
                y[channel, i] = table[low] + (table[low + 1] - table[low]) * (place - low)
    return y


@_compiled
def echo(x: Floats, delays: Floats, feedback: Floats, line: Floats, returned: Floats, position: int) -> Floats:
    """Return the output of a delay line. Its input is ``x``, and its own output of some samples ago times ``feedback``.

    Parameters
    ----------
    x : float64 array of shape (channels, samples)
    delays : float64 array of shape (samples,) or (1,)
        Samples, at least 1. Between two samples of the line, its output is interpolated.
    feedback : float64 array of shape (samples,) or (1,)
    line : float64 array of shape (channels, length)
        A ring of the line's last inputs, longer than the longest delay by 2.
    returned : float64 array of shape (channels, samples)
        A ring of the line's last outputs. Its length is the delay of the feedback.
    position : int
        Number of the first sample.
    """
    length, lag = line.shape[1], returned.shape[1]
    step, step_back = (1 if delays.size > 1 else 0), (1 if feedback.size > 1 else 0)
    y = np.empty_like(x)
    for channel in range(x.shape[0]):
        place, back = position % length, position % lag
        for i in range(x.shape[1]):
            delay = delays[i * step]
            whole = int(delay)
            part = delay - whole
            near = place - whole
            if near < 0:
                near += length
            out = line[channel, near]
            if part > 0:
                far = near - 1 if near > 0 else length - 1
                out += (line[channel, far] - out) * part
            y[channel, i] = out
            new = x[channel, i] + feedback[i * step_back] * returned[channel, back]
            line[channel, place] = new if abs(new) >= _SILENT else 0.0
            returned[channel, back] = out
            place += 1
            if place == length:
                place = 0
            back += 1
            if back == lag:
                back = 0
    return y


@_compiled
def peaks(first: Floats, second: Floats, third: Floats, fourth: Floats) -> Floats:
    """Return the largest size that all channels reach from each sample to the next.

    A parabola through three values finds a peak between them.

    Parameters
    ----------
    first, second, third, fourth : float64 arrays of shape (channels, 1 + samples + 1)
        The sound at its samples, and a quarter, a half and three quarters of the way to the next one.
    """
    y = np.zeros((1, first.shape[1] - 2))
    for channel in range(first.shape[0]):
        for i in range(y.shape[1]):
            before, here = fourth[channel, i], first[channel, i + 1]
            for part in range(4):
                if part == 0:
                    after = second[channel, i + 1]
                elif part == 1:
                    after = third[channel, i + 1]
                elif part == 2:
                    after = fourth[channel, i + 1]
                else:
                    after = first[channel, i + 2]
                size = abs(here)
                if size >= abs(before) and size >= abs(after):
                    bend = before - 2 * here + after
                    if bend != 0:
                        size = abs(here - (before - after) * (before - after) / (8 * bend))
                y[0, i] = max(y[0, i], size)
                before, here = here, after
    return y


@_compiled
def smooth_gain(least: Floats, width: int, release: float, state: Floats) -> Floats:
    """Average gains over ``width`` samples, and let the average rise only as fast as ``release``.

    Parameters
    ----------
    least : float64 array of shape (width + samples,)
        Gains, with ``width`` earlier ones in front.
    width : int
    release : float
        Share of the way to 1 in one sample.
    state : float64 array of shape (2,)
        The sum of the last ``width`` gains, and the last output.
    """
    y = np.empty(least.size - width)
    total, last = state[0], state[1]
    for i in range(y.size):
        total += least[i + width] - least[i]
        last = min(last + (1 - last) * release, 1.0, total / width)
        y[i] = last
    state[0], state[1] = total, last
    return y
