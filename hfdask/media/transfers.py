"""Formulas of the transfer functions and primaries of BT.709, sRGB, PQ and HLG, in double precision."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

HdrTransfer = Literal["pq", "hlg"]
"""Transfer functions of HDR: SMPTE ST 2084, and ARIB STD-B67."""

Values = NDArray[np.float64]

PQ_PEAK = 10_000.0
"""Light of PQ's highest value, in cd/m²."""

HLG_PEAK = 1000.0
"""Light of HLG's highest value, in cd/m², on the display for which its system gamma is 1.2."""

REFERENCE_WHITE = 203.0
"""Light of the white of graphics and of SDR in an HDR picture, in cd/m² (ITU-R BT.2408, 2.1)."""

HLG_GAMMA = 1.2
"""System gamma of a display of 1000 cd/m² (ITU-R BT.2100, table 5)."""

LUMA_BT2020: tuple[float, float, float] = (0.2627, 0.678, 0.0593)
"""Weights of linear R, G and B in the light of a color (ITU-R BT.2020, table 4)."""

_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073

_WHITE = (0.3127, 0.329)
_BT709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_BT2020 = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))


def pq_light(code: Values) -> Values:
    """Return the light of PQ values from 0 to 1, in cd/m² (SMPTE ST 2084, 5.1)."""
    power = code ** (1 / _M2)
    return np.asarray(PQ_PEAK * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def pq_code(light: Values) -> Values:
    """Return the PQ values, from 0 to 1, of light in cd/m² (SMPTE ST 2084, 5.2)."""
    power = (light / PQ_PEAK) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_scene(code: Values) -> Values:
    """Return the scene light, from 0 to 1, of HLG values (ITU-R BT.2100, table 5: inverse of the OETF)."""
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12)


def hlg_code(scene: Values) -> Values:
    """Return the HLG values of scene light from 0 to 1 (ITU-R BT.2100, table 5: OETF)."""
    bright = np.maximum(12 * scene - _B, 1e-9)
    return np.where(scene <= 1 / 12, np.sqrt(3 * np.maximum(scene, 0)), _A * np.log(bright) + _C)


def hlg_light(code: Values) -> Values:
    """Return the light of HLG colors on a display of 1000 cd/m², in cd/m² (ITU-R BT.2100, table 5: EOTF).

    Parameters
    ----------
    code : ndarray of float, shape (..., 3)
        R'G'B' in BT.2020 from 0 to 1.
    """
    scene = hlg_scene(code)
    luma = np.maximum((scene @ np.array(LUMA_BT2020))[..., None], 1e-9)
    return np.asarray(HLG_PEAK * luma ** (HLG_GAMMA - 1) * scene)


def srgb_light(code: Values) -> Values:
    """Return linear light of sRGB values of at least 0 (IEC 61966-2-1). Light above white has values above 1."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def srgb_code(light: Values) -> Values:
    """Return sRGB values of linear light of at least 0 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Values:
    """Return the matrix from linear RGB with these chromaticities to XYZ (SMPTE RP 177)."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in (*primaries, _WHITE)]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


TO_BT2020: Values = np.asarray(np.linalg.solve(_to_xyz(_BT2020), _to_xyz(_BT709)), np.float64)
"""Matrix from linear BT.709 to linear BT.2020 (ITU-R BT.2087, 2)."""

TO_BT709: Values = np.asarray(np.linalg.inv(TO_BT2020), np.float64)
"""Matrix from linear BT.2020 to linear BT.709 (ITU-R BT.2407, 2). Colors outside of BT.709 have negative parts."""
