"""The report of a restoration run: pictures of the same slice by every way, and curves of noise and sharpness."""
