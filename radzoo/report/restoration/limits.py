"""What no interval of the page knows, in sentences."""

from __future__ import annotations


def left_out(run) -> list[dict]:
    """The reasons to doubt that no number on the page holds, as `{"title", "text"}`."""
    parts = [*_simulated(run), _target(run), _source(run), _faint(run), _window(run)]
    parts += _folds(run) if run.folds else [_split()]
    return [{"title": title, "text": text} for title, text in [*parts, _use()]]


def _simulated(run) -> list[tuple]:
    how = run.metrics["simulated"]
    if not how:
        return []
    if how["simulate"] == "sparse_view":
        return [(
            "The few views were simulated.",
            "A parallel beam through a body that lies still, without noise, scatter or beam hardening: the streaks of "
            "a scanner that measured as few views look different.",
        )]  # fmt: skip
    parts = [(
        "The noise was simulated, not measured.",
        "A parallel beam without scatter, beam hardening, tube current modulation or iterative reconstruction. A "
        "network that removes this noise may leave the noise of a scanner, or take it for anatomy.",
    )]  # fmt: skip
    if not how["clean"]:
        many = f"{how['photons']:g} photons" if how["photons"] else "a number that explains the noise of each image"
        parts.append((
            "The photons are an assumption.",
            f"No file says how many a real scan had; here {many}. Were there fewer, more noise had to be added than "
            f"was: that {100 * how['dose']:g} % of the dose are left holds for this assumption alone.",
        ))  # fmt: skip
    return parts


def _target(run) -> tuple:
    if run.metrics["synthetic"]:
        return "Phantoms are no patients.", (
            "Fabricated bodies have smooth organs with sharp rims. What a network does to texture, to vessels and to "
            "what it never saw is not known from them; a good number here says that the method works, not that it "
            "helps."
        )
    return "The target is not the truth.", (
        "It is an image with noise and artefacts of its own. A network that is cleaner than its target gets no credit "
        "for it, and one that copies the target's faults does."
    )


def _source(run) -> tuple:
    return "One source of images.", (
        "Noise changes its grain with scanner, reconstruction kernel, slice thickness and the size of the patient. On "
        "images of another kind the network may do nothing, or harm; nothing here measures that."
    )


def _faint(run) -> tuple:
    text = (
        "RMSE, PSNR and SSIM average over all pixels, of which a small lesion has next to none: an image can win on "
        "all three and have lost it. "
    )
    measured = "The inserts below are the only test of that here." if run.inserts is not None else (
        "Nothing of known contrast was in these images, so that is not tested here."
    )  # fmt: skip
    return "A number of quality is no diagnosis.", text + measured


def _window(run) -> tuple:
    return "Every number hangs on its window.", (
        "The same images have another PSNR and another order of the ways over another range of values. Numbers of "
        "papers can be held against these only where window, data range and target are the same."
    )


def _split() -> tuple:
    return "One split, one seed.", (
        "The patients were divided once and every network was trained once, from one seed. Another split or another "
        "seed gives other numbers."
    )


def _folds(run) -> list[tuple]:
    return [
        (
            "The folds share training patients.",
            "The networks of the folds resemble each other, and patients were dealt to them once: networks trained on "
            "new patients would scatter more.",
        ),
        (
            "The final model is another one.",
            "The model that radzoo predict uses was trained once more, on more patients, and was not tested itself: "
            "the cross-validated numbers stand for it.",
        ),
    ]


def _use() -> tuple:
    return "What the image is for.", (
        "What a network took away cannot be seen in its image, and what it invented cannot be told from anatomy. The "
        "image as it came belongs beside it, and readers have to show that they decide no worse."
    )
