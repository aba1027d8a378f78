"""How the stored values of one image lie in its file: what decoding needs to know, checked for sense."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import UID, JPEG2000TransferSyntaxes, RLELossless

from radzoo.errors import BadInput
from radzoo.images.dicom.header import PIXELS, number, text

LARGEST = 2**27  # samples; a large radiograph has 2**25
SAMPLES = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1,
    "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_RCT": 3, "YBR_ICT": 3,
}  # fmt: skip
OBJECTS = {"RTDOSE": "a radiotherapy dose", "SEG": "a segmentation"}  # by modality


@dataclass(frozen=True)
class Layout:
    """Attributes of the Image Pixel module.

    Attributes:
        keyword: the element that holds the pixels.
        allocated, bits, shift: bits per sample in the file, bits that count, and unused bits below them.
        planar: 1 where uncompressed colours are stored as three planes.
        words: 8-bit samples that are stored as 16-bit words, so that big-endian files swap them.
    """

    syntax: UID
    keyword: str
    photometric: str
    rows: int
    columns: int
    samples: int
    allocated: int
    bits: int
    shift: int
    signed: bool
    planar: int
    words: bool

    @property
    def count(self) -> int:
        return self.rows * self.columns * self.samples

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def dtype(self) -> str:
        """NumPy's name of the stored type, in the byte order of this machine."""
        if self.keyword != "PixelData":
            return f"f{self.allocated // 8}"
        return f"{'i' if self.signed else 'u'}{max(self.allocated // 8, 1)}"


def layout(dataset) -> Layout:
    """Reads and checks the layout; call it within `header.quiet`.

    Raises:
        BadInput: what is no single image, what no decoder here does, and what contradicts itself.
    """
    if number(dataset, "NumberOfFrames", 1) not in (0, 1):  # 0 is wrong, and pydicom and DCMTK read it as 1
        raise BadInput("holds several frames, expected one image: export the frame you mean")
    photometric, samples = text(dataset, "PhotometricInterpretation"), number(dataset, "SamplesPerPixel", 1)
    if SAMPLES.get(photometric) != samples:
        raise BadInput(
            "PhotometricInterpretation and SamplesPerPixel make no image that is read: expected grey, palette, RGB, "
            "YBR_FULL, YBR_FULL_422, YBR_RCT or YBR_ICT"
        )
    rows, columns = (number(dataset, keyword, 0) for keyword in ("Rows", "Columns"))
    if rows < 1 or columns < 1 or rows % 1 or columns % 1:
        raise BadInput("Rows or Columns is missing or 0: export the image again")
    if rows * columns * samples > LARGEST:
        raise BadInput("Rows and Columns make an image of more than 134 million samples: export it smaller")
    keyword = next(keyword for keyword in PIXELS if keyword in dataset)
    colour = samples == 3 or photometric == "PALETTE COLOR"
    allocated, bits, shift = _bits(dataset, keyword, (8, 16) if colour else (1, 8, 16, 32))
    signed = number(dataset, "PixelRepresentation", 0 if samples == 3 or keyword != "PixelData" else None)
    if signed not in (0, 1) or (signed and samples == 3):
        raise BadInput("PixelRepresentation is missing, or makes no sense for this image: export the image again")
    planar = number(dataset, "PlanarConfiguration", 0)
    if planar not in (0, 1):
        raise BadInput("PlanarConfiguration is neither 0 nor 1: export the image again")
    syntax, words = dataset.file_meta.TransferSyntaxUID, dataset[keyword].VR == "OW"
    found = Layout(
        syntax, keyword, photometric, int(rows), int(columns), int(samples), allocated, bits, shift, bool(signed),
        int(planar), words,
    )  # fmt: skip
    _agree(found)
    return found


def refuse_objects(dataset) -> None:
    """Refuses objects whose pixels are no picture of a patient."""
    what = OBJECTS.get(text(dataset, "Modality"))
    if what:
        raise BadInput(f"holds {what}, which is no image: give the image that it belongs to")


def _bits(dataset, keyword: str, allowed: tuple[int, ...]) -> tuple[int, int, int]:
    """Bits allocated, bits stored, and unused bits below."""
    allocated = number(dataset, "BitsAllocated", 0)
    if keyword != "PixelData":
        if allocated != (32 if keyword == "FloatPixelData" else 64):
            raise BadInput("BitsAllocated contradicts the floating-point pixel data: export the image again")
        return int(allocated), int(allocated), 0
    bits = number(dataset, "BitsStored", 0)
    high = number(dataset, "HighBit", bits - 1)
    if allocated not in allowed or not 1 <= bits <= allocated or bits % 1:
        raise BadInput("BitsAllocated and BitsStored make no image that is read: export it with 8 or 16 bits")
    if not bits - 1 <= high < allocated or high % 1:
        raise BadInput("HighBit contradicts BitsStored and BitsAllocated: export the image again")
    return int(allocated), int(bits), int(high + 1 - bits)


def _agree(found: Layout) -> None:
    """Refuses what the transfer syntax and the kind of pixels do not allow together."""
    syntax, photometric = found.syntax, found.photometric
    if found.keyword != "PixelData" and (syntax.is_encapsulated or not photometric.startswith("MONOCHROME")):
        raise BadInput("the floating-point pixel data is no uncompressed grey image: export the image again")
    if photometric in ("YBR_RCT", "YBR_ICT") and syntax not in JPEG2000TransferSyntaxes:
        raise BadInput("YBR_RCT and YBR_ICT need JPEG 2000: export the image as RGB")
    if photometric == "YBR_FULL_422" and (
        syntax == RLELossless or (not syntax.is_encapsulated and (found.allocated != 8 or found.columns % 2))
    ):
        raise BadInput("YBR_FULL_422 needs 8 bits, an even width and no RLE: export the image as RGB")
    if found.shift and syntax.is_encapsulated and syntax != RLELossless:
        raise BadInput("HighBit is not BitsStored - 1 in a compressed image: export it uncompressed")
