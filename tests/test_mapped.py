"""Arrays on disk."""

import numpy as np
import pytest

from radzoo.data.mapped import mapped


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_is_what_was_saved_and_its_header_is_parsed_once(tmp_path, monkeypatch, order):
    saved = np.asarray(np.random.default_rng(0).integers(0, 65536, (3, 5, 7, 1)), "uint16", order=order)
    np.save(tmp_path / "image.npy", saved)
    first = mapped(tmp_path / "image.npy")
    monkeypatch.setattr(np, "load", None)
    again = mapped(tmp_path / "image.npy")
    assert again.dtype == saved.dtype and np.array_equal(first, saved) and np.array_equal(again, saved)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0
