"""Multiply-adds against hand-worked sums and the papers' own tables, and the table of models in the README."""

from pathlib import Path

import keras
import pytest

import radzoo
from radzoo.operations import multiply_adds


def test_by_hand():
    image = keras.Input((8, 6, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="a")(image)  # 48 places x 3 x 3 x 3 x 4
    x = keras.layers.BatchNormalization(name="n")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", name="b")(x)  # 12 places x 3 x 3 x 4
    x = keras.layers.Conv2D(6, 1, groups=2, name="c")(x)  # 12 places x 2 x 6
    x = keras.layers.Dense(5, name="d")(keras.layers.GlobalAveragePooling2D(name="p")(x))  # 6 x 5
    assert multiply_adds(keras.Model(image, x)) == 48 * 108 + 12 * 36 + 12 * 12 + 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, billions",
    [("resnet18", 1.8), ("resnet34", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)],
)
def test_residual_networks_as_in_their_paper(name, billions):
    """He et al. 2016, Table 1."""
    assert multiply_adds(radzoo.build(name, (224, 224, 3), top=True)) / 1e9 == pytest.approx(billions, abs=0.07)


def test_the_readme_names_every_model():
    rows = [line.split("|")[1:] for line in _table().splitlines()[2:]]
    names = [name for name in radzoo.list_models() if not name.endswith("_tiny")]
    assert [row[0].strip(" `") for row in rows] == names
    assert [int(row[1].replace(",", "")) for row in rows] == [radzoo.describe(name).parameters for name in names]


@pytest.mark.slow
def test_the_table_of_the_readme_is_what_the_command_prints(cli):
    code, out, _ = cli("list", "--table")
    assert code == 0 and out.strip() == _table().strip()


def _table() -> str:
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    return text.partition("<!-- models: radzoo list --table -->\n")[2].partition("<!-- end of models -->")[0]
