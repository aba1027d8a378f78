"""One restored image against the wanted one, window by window: PSNR, SSIM, RMSE, regressed SNR, sharpness.

No number of these means anything without its window: the same image has a PSNR that is 20 dB higher over 4096 HU than
over 400. So each row holds the window, and the data range that PSNR and SSIM were computed with, high - low.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from skimage.metrics import structural_similarity

from radzoo.errors import BadInput
from radzoo.metrics.sharpness import edge_ratio

MEASURES = ("psnr", "ssim", "rmse", "rmse_body", "regressed_snr", "sharpness")
LEAST = 11  # pixels of a side, the window of SSIM


class Window(NamedTuple):
    """A range of values with a name, in HU for CT."""

    name: str
    low: float
    high: float


WINDOWS = (Window("soft tissue", -160, 240), Window("lung", -1350, 150), Window("full", -1024, 3072))


def measure_restored(restored, wanted, *, case, patient, way, windows=WINDOWS, body=None) -> list[dict]:
    """One row per window.

    Args:
        restored, wanted: `(h, w)` or `(z, y, x)`, in the unit of the windows (HU for CT), not cut to any of them.
        case, patient, way: as they go into the rows.
        windows: of `Window`.
        body: boolean of the same shape, the patient without air and table around (`tissue.body_mask`); None where it is
            not known.
    Returns:
        Rows of `case patient way window low high data_range`, `pixels` (of the wanted image that lie in the window),
        and `MEASURES`, NaN where one is undefined:
        `psnr`, dB, and `ssim`, of both images after cutting to the window; NaN where the window leaves them equal;
        `rmse`, in HU, of uncut values over the pixels whose wanted value lies in the window, so that what a method does
        to them is seen wherever it puts them; `rmse_body`, the same of those in the body alone; `regressed_snr`, dB, of
        the cut images; `sharpness`, `edge_ratio` of the edges in the window (in the body, where it is known).
    Raises:
        BadInput: different shapes, sides below 11 pixels, values that are not finite, a constant wanted image, two
            equal ones.
    """
    restored, wanted = checked_pair(restored, wanted)
    body = None if body is None else _checked_body(body, wanted)
    away = restored - wanted
    rows = []
    for window in windows:
        name, low, high = _checked_window(window)
        inside = (wanted >= low) & (wanted <= high)
        cut = restored.clip(low, high), wanted.clip(low, high)
        same = np.array_equal(*cut)
        rows.append({
            "case": case, "patient": patient, "way": way,
            "window": name, "low": float(low), "high": float(high), "data_range": float(high - low),
            "pixels": int(inside.sum()),
            "psnr": np.nan if same else psnr(*cut, high - low),
            "ssim": np.nan if same else ssim(*cut, high - low),
            "rmse": rmse(away, inside),
            "rmse_body": np.nan if body is None else rmse(away, inside & body),
            "regressed_snr": regressed_snr(*((each - low) / (high - low) for each in cut)),
            "sharpness": edge_ratio(restored, wanted, low, high, inside=body),
        })  # fmt: skip
    return rows


def psnr(restored, wanted, data_range: float) -> float:
    """`10 log10(data_range^2 / mean squared error)` over all pixels (voxels), dB; infinite for equal images."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(data_range**2 / ((restored - wanted) ** 2).mean()))


def ssim(restored, wanted, data_range: float) -> float:
    """Mean structural similarity of planes, Gaussian window 11 x 11 of sigma 1.5, K = (.01, .03).

    Wang et al., Image quality assessment, IEEE TIP 2004; the border of 5 pixels does not count, images are not shrunk
    first. Of a volume it is the mean over its planes, each compared in 2-D.
    """
    wang = {"data_range": data_range, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    if restored.ndim == 2:
        return float(structural_similarity(restored, wanted, **wang))
    return float(np.mean([structural_similarity(*planes, **wang) for planes in zip(restored, wanted, strict=True)]))


def rmse(difference, counted) -> float:
    """The root of the mean square where `counted`, NaN where nothing is."""
    return float(np.sqrt((difference[counted] ** 2).mean())) if counted.any() else np.nan


def regressed_snr(restored, wanted) -> float:
    """`max over a, b of 20 log10(|x| / |x - a y - b|)`, dB, x wanted and y restored: the best affine fit is forgiven.

    Jin et al., Deep convolutional neural network for inverse problems in imaging, IEEE TIP 2017. |x| depends on where 0
    is: `measure_restored` puts it at the lower end of the window. NaN where an image is constant or the fit exact.
    """
    x, y = (np.asarray(each, float).ravel() for each in (wanted, restored))
    dx, dy = x - x.mean(), y - y.mean()
    spread = dy @ dy
    rest = dx - (dx @ dy / spread if spread > 0 else 0) * dy
    left = rest @ rest
    if not (spread > 1e-20 * (y @ y) and left > 1e-20 * (x @ x)):  # a mean is rounded
        return np.nan
    return float(10 * np.log10(x @ x / left))


def checked_pair(restored, wanted) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 of one shape; raises as `measure_restored`."""
    restored, wanted = np.asarray(restored, float), np.asarray(wanted, float)
    if restored.shape != wanted.shape or wanted.ndim not in (2, 3) or min(wanted.shape[-2:]) < LEAST:
        raise BadInput(
            f"a restored image {restored.shape} and a wanted one {wanted.shape} came, expected one shape, (h, w) or "
            f"(z, y, x), of at least {LEAST} pixels a side: resample one to the grid of the other"
        )
    for name, image in (("restored", restored), ("wanted", wanted)):
        if not np.isfinite(image).all():
            raise BadInput(f"the {name} image has NaN or infinite values: leave this image out")
    if wanted.min() == wanted.max():  # a constant answer, as of a network that learnt nothing, is a bad one
        raise BadInput(f"all pixels of the wanted image are {wanted.flat[0]:g}: leave this image out")
    if np.array_equal(restored, wanted):
        raise BadInput("the restored image equals the wanted one: do both columns of the index name the same file?")
    return restored, wanted


def _checked_window(window) -> Window:
    window = Window(*window)
    if not (np.isfinite([window.low, window.high]).all() and window.low < window.high):
        raise BadInput(f"window {window.name} from {window.low:g} to {window.high:g} came, expected low below high")
    return window


def _checked_body(body, wanted) -> np.ndarray:
    body = np.asarray(body, bool)
    if body.shape != wanted.shape:
        raise BadInput(f"a body mask {body.shape} came with an image {wanted.shape}, expected one shape")
    return body
