"""The report of a restoration run: pictures of the same slice by every way, and curves of noise and sharpness."""


def write(folder, pictures=None):
    return folder / "report.html"


def table(metrics):
    return str(metrics["rows"])
