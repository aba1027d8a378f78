"""Torch checkpoints without torch: both formats, written here by hand and by torch, and all that must be refused."""

import copy
import os
import pickle
import subprocess
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from torch_writer import Call, Global, pickled, tensor, write_old, write_zip

from radzoo.errors import BadInput
from radzoo.weights import read_keras, read_torch
from radzoo.weights.torch_files import read_checkpoint

REAL = Path(os.environ.get("RADZOO_WEIGHTS", "").split(os.pathsep)[0] or "nowhere")
real_files = pytest.mark.skipif(not (REAL / "dncnn_25.pth").is_file(), reason="RADZOO_WEIGHTS has no real torch files")
WRITERS = {"zip": write_zip, "old": write_old}
A = np.arange(24, dtype="float32").reshape(2, 3, 4)


@pytest.mark.parametrize("form", WRITERS)
def test_views_strides_types_and_scalars(form, tmp_path):
    half, count = np.float16([1.5, -2]), np.array(7, "int64")
    brain = np.array([0x3F80, 0xC049, 0x7F80], "uint16")  # bfloat16: 1, -3.140625, infinity
    state = OrderedDict(
        whole=tensor("0", A),
        shared=tensor("0", A, size=(3, 4), stride=(4, 1), offset=12),
        turned=tensor("0", A, size=(4, 3, 2), stride=(1, 4, 12)),
        half=tensor("1", half), brain=tensor("2", brain), count=tensor("3", count),
        empty=tensor("4", np.zeros((0, 3), "float32")),
        kept=Call(Global("torch._utils", "_rebuild_parameter"), tensor("0", A), True, OrderedDict()),
    )  # fmt: skip
    storages = {"0": A, "1": half, "2": brain, "3": count, "4": np.zeros(0, "float32")}
    read = read_torch(WRITERS[form](tmp_path / "w.pth", state, storages))
    assert list(read) == list(state)
    np.testing.assert_array_equal(read["whole"], A)
    np.testing.assert_array_equal(read["shared"], A[1])
    np.testing.assert_array_equal(read["turned"], A.T)
    np.testing.assert_array_equal(read["kept"], A)
    np.testing.assert_array_equal(read["brain"], np.float32([1, -3.140625, np.inf]))
    assert (read["half"].dtype, list(read["half"])) == (np.float16, [1.5, -2])
    assert (read["count"].shape, int(read["count"]), read["count"].dtype) == ((), 7, np.int64)
    assert read["empty"].shape == (0, 3)
    with pytest.raises(ValueError, match="read-only"):
        read["whole"][0] = 1


def test_other_protocols_byte_orders_and_legacy_views(tmp_path):
    big = A.astype(">f4")
    path = write_zip(tmp_path / "big.pt", {"a": tensor("0", A)}, {"0": big}, order=b"big", protocol=4)
    np.testing.assert_array_equal(read_torch(path)["a"], A)
    part = tensor("0", A, size=(4,), stride=(1,), view=(("0-4", 4, 8),))
    np.testing.assert_array_equal(read_torch(write_old(tmp_path / "v.pth", {"a": part}, {"0": A}))["a"], [4, 5, 6, 7])


def test_wrapped_and_parallel_states_are_said(tmp_path):
    inner = {"module.a.weight": tensor("0", A), "module.b": 3}
    path = write_zip(tmp_path / "w.pth.tar", {"epoch": 3, "best": 0.5, "state_dict": inner}, {"0": A})
    read, notes = read_checkpoint(path)
    assert list(read) == ["a.weight"]
    assert notes == (
        "the tensors are those under 'state_dict'",
        "left out, because they are no tensors: 'module.b'",
        "'module.' is dropped from all names",
    )


def test_states_within_states_are_unwrapped_four_deep(tmp_path):
    value = {"a": tensor("0", A)}
    for word in ("net", "model", "model_state_dict", "state_dict"):
        value = {word: value}
    assert list(read_torch(write_zip(tmp_path / "w.pth", value, {"0": A}))) == ["a"]
    with pytest.raises(BadInput, match="holds a dict without named tensors"):
        read_torch(write_zip(tmp_path / "deep.pth", {"net": value}, {"0": A}))


@pytest.mark.parametrize("kind", ["bfloat16", "big-endian", "old"])
def test_a_storage_of_many_tensors_is_checked_and_converted_once(kind, tmp_path, monkeypatch):
    """Five hundred names for one storage take the memory and the time of one."""
    stored = np.arange(0x3F80, 0x3F80 + 24, dtype="uint16").reshape(2, 3, 4) if kind != "big-endian" else A
    state = OrderedDict((f"t{i}", tensor("0", stored, size=(12,), stride=(1,), offset=i % 12)) for i in range(500))
    if kind == "old":
        path = write_old(tmp_path / "w.pth", state, {"0": stored})
    else:
        big = kind == "big-endian"
        path = write_zip(
            tmp_path / "w.pth", state, {"0": stored.astype(">f4") if big else stored}, b"big" if big else b"little"
        )
    checks, crc = [], zlib.crc32
    monkeypatch.setattr("radzoo.weights.torch_files.zlib.crc32", lambda data: checks.append(1) or crc(data))
    read = read_torch(path)
    assert len(checks) == (0 if kind == "old" else 3)  # byte order, pickle, storage
    assert len(read) == 500
    assert all(np.shares_memory(read["t0"][11:], read[f"t{i}"]) for i in range(12))
    expected = A.ravel() if kind == "big-endian" else (stored.ravel().astype("uint32") << 16).view("float32")
    for i in (0, 5, 11):
        np.testing.assert_array_equal(read[f"t{i}"], expected[i : i + 12])
        assert read[f"t{i}"].dtype.isnative and not read[f"t{i}"].flags.writeable


def test_entries_that_lie_over_each_other_are_refused(tmp_path):
    """The same bytes under two names of the zip, which would be two copies."""
    big = np.arange(1000, dtype="float32")
    path = write_zip(tmp_path / "w.pth", {"a": tensor("0", big), "b": tensor("1", big)}, {"0": big})
    with zipfile.ZipFile(path, "a") as file:
        twin = copy.copy(file.getinfo("archive/data/0"))
        twin.filename = twin.orig_filename = "archive/data/1"
        file.filelist.append(twin)
        file._didModify = True
    with pytest.raises(BadInput, match="its entries lie over each other"):
        read_torch(path)


class Evil:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


EVIL = {
    "system": (lambda mark: Evil(f"touch {mark}"), r"asks for (posix|nt)\.system,"),
    "eval": (lambda mark: Call(Global("builtins", "eval"), f"open({mark!r}, 'w')"), r"asks for builtins\.eval"),
    "torch's own loader": (lambda mark: Call(Global("torch.hub", "load"), "x"), r"asks for torch\.hub\.load"),
    "a whole network": (
        lambda mark: Global("torchvision.models.resnet", "ResNet"),
        r"models\.resnet\.ResNet.*state_dict",
    ),
    "dotted": (lambda mark: Global("torch._utils", "sys.modules"), r"asks for torch\._utils\.sys\.modules"),
    "terminal": (lambda mark: Global("\x1b[2Jos", "x"), r"asks for \\x1b\[2Jos\.x"),
    "ordered": (lambda mark: Global("collections", "OrderedDict.fromkeys"), r"OrderedDict\.fromkeys"),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("kind", EVIL)
def test_an_evil_pickle_is_refused_with_the_name_it_asked_for(form, kind, tmp_path):
    make, message = EVIL[kind]
    mark = tmp_path / "was_here"
    path = WRITERS[form](tmp_path / "evil.pth", {"a": tensor("0", A), "b": make(str(mark))}, {"0": A})
    with pytest.raises(BadInput, match=message) as caught:
        read_torch(path)
    assert str(caught.value).isprintable()
    assert not mark.exists()


RAW = {
    "inst": (b"(S'true'\nios\nsystem\n.", "asks for os.system"),
    "stack global": (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "asks for posix.system"),
    "extension": (b"\x80\x02\x82\x01.", "opcode EXT1"),
    "new object": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "opcode NEWOBJ"),
    "no end": (b"\x80\x02}", "damaged"),
    "length": (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.", "damaged"),
    "memo": (b"\x80\x02}r\xff\xff\xff\xffj\x00\x00\x00\x00.", "damaged"),
    "deep": (b"\x80\x02" + b")" + b"\x85" * 50_000 + b".", "holds a tuple"),
    "deep key": (b"\x80\x02})" + b"\x85" * 50_000 + b"Ns.", "a tuple as a key"),
    "number": (b"I" + b"9" * 100_000 + b"\n.", "damaged"),
    "set state": (b"\x80\x02ctorch\nFloatStorage\nq\x00}b.", "a state for Name"),
    "called storage": (b"\x80\x02ctorch\nFloatStorage\n)R.", "a call of torch.FloatStorage"),
    "mark": (b"\x80\x02(.", "damaged"),
    "itself": (b"\x80\x02]q\x00h\x00a.", "holds a list"),
    "wraps itself": (b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s.", "holds a dict"),
    "wraps a list of itself": (b"\x80\x02}X\x05\0\0\0model]q\x00h\x00as.", "holds a dict"),
    "two that wrap each other": (b"\x80\x02}q\x00X\x05\0\0\0model}X\x03\0\0\0neth\x00ss.", "holds a dict"),
    "long": (b"\x80\x02" + (b"X\0\0\x30\0" + b"a" * (3 << 20) + b"0") * 3 + b"}.", "more than 8 MiB"),
}


@pytest.mark.parametrize("kind", RAW)
def test_odd_pickles_are_one_line(kind, tmp_path):
    raw, message = RAW[kind]
    for writer in WRITERS.values():
        with pytest.raises(BadInput) as caught:
            read_torch(writer(tmp_path / "odd.pth", raw, {}))
        assert message in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


LIES = {
    "beyond": {"offset": 1},
    "long stride": {"stride": (12, 4, 2)},
    "negative size": {"size": (-2, 3, 4)},
    "negative offset": {"offset": -1},
    "negative stride": {"stride": (12, 4, -1)},
    "more than there is": {"size": (2, 3, 4, 1000), "stride": (12, 4, 1, 0)},
    "huge": {"size": (2**40, 2**40), "stride": (0, 0)},
    "nothing, but wide": {"size": (0, 2**47, 2**47), "stride": (0, 0, 0)},
    "axes": {"size": (1,) * 40, "stride": (1,) * 40},
    "rank": {"stride": (1,)},
    "no number": {"size": (2.0, 3, 4)},
    "numel": {"numel": 1000},
    "kind": {"kind": "QInt8Storage"},
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("kind", LIES)
def test_tensors_outside_their_storage_are_refused(form, kind, tmp_path):
    path = WRITERS[form](tmp_path / "lie.pth", {"a": tensor("0", A, **LIES[kind])}, {"0": A})
    with pytest.raises(BadInput, match=r"damaged|breaks off|lies|asks for torch\.QInt8Storage"):
        read_torch(path)


def test_files_of_another_kind_are_one_line(tmp_path):
    good = write_zip(tmp_path / "w.pth", {"a": tensor("0", A)}, {"0": A})
    old = write_old(tmp_path / "o.pth", {"a": tensor("0", A)}, {"0": A})
    whole = good.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(A.tobytes()) + 5] ^= 1
    cases = {
        "empty": (b"", "is empty"),
        "text": (b"no checkpoint", "neither of torch's two formats"),
        "half zip": (whole[: len(whole) // 2], "breaks off or is damaged"),
        "half old": (old.read_bytes()[:-20], "breaks off in storage '0'"),
        "flipped": (bytes(flipped), "checksum of its entry 'archive/data/0'"),
        "pickle": (pickle.dumps({"a": 1}, 2), "magic number is missing"),
        "tar": (b"\0" * 257 + b"ustar" + b"\0" * 250, "tar file of torch before"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=message):
            read_torch(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("x", b"1")
    squeezed = write_zip(tmp_path / "bomb.pth", {"a": tensor("0", A)}, {"0": A}, compression=zipfile.ZIP_DEFLATED)
    for path, message in (
        (tmp_path / "other.zip", "0 entries named data.pkl"),
        (squeezed, "compressed or encrypted"),
        (tmp_path / "none.pth", "cannot be read"),
        (write_zip(tmp_path / "p.pth", {"a": tensor("0", A)}, {}), "entry 'data/0' is missing"),
        (write_zip(tmp_path / "l.pth", [tensor("0", A)], {"0": A}), "holds a list without named tensors"),
        (write_zip(tmp_path / "d.pth", {"epoch": 1}, {}), "holds a dict without named tensors"),
        (write_zip(tmp_path / "i.pth", {1: tensor("0", A)}, {"0": A}), "a tensor under 1"),
    ):
        with pytest.raises(BadInput, match=message):
            read_torch(path)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # of a mutated text
@pytest.mark.parametrize("form", WRITERS)
def test_mutated_files_never_do_anything_but_read_or_refuse(form, tmp_path):
    """A thousand files of each form with a few bytes changed: tensors come out, or one line of BadInput."""
    state = OrderedDict(a=tensor("0", A), b=tensor("0", A, size=(3,), stride=(1,)), n=3, c=[1, (2.5, None)])
    path, read = tmp_path / "m.pth", 0
    # In a zip the checksums find every change outside of the pickle.
    whole = pickled(state) if form == "zip" else write_old(path, state, {"0": A}).read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(1000):
        content = bytearray(whole)
        for at in generator.integers(len(whole) - 8, size=generator.integers(1, 4)):
            new = bytes(generator.integers(0, 256, generator.integers(3)).tolist())
            content[at : at + 1] = new  # taken out, changed, or one more
        if form == "zip":
            write_zip(path, bytes(content), {"0": A})
        else:
            path.write_bytes(content)
        try:
            read += bool(read_torch(path))
        except BadInput as error:
            assert str(error).isprintable()
    assert read > 0  # some mutations hit what does not matter


@real_files
def test_the_real_dncnn_equals_its_keras_file():
    """An old-format state dict: 17 convolutions with biases."""
    read, layers = read_torch(REAL / "dncnn_25.pth"), read_keras(REAL / "dncnn_25.weights.h5")
    assert (len(read), len(layers)) == (34, 17)
    for i in range(17):
        kernel, bias = layers[f"conv{i + 1}"]
        np.testing.assert_array_equal(read[f"model.{2 * i}.weight"].transpose(2, 3, 1, 0), kernel)
        np.testing.assert_array_equal(read[f"model.{2 * i}.bias"], bias)


WRITTEN_BY_TORCH = """
import sys, numpy, torch
from collections import OrderedDict
base = torch.rand((4, 5, 6), generator=torch.Generator().manual_seed(0))
state = OrderedDict(
    a=base, b=base[1:3, ::2], c=base.permute(2, 0, 1), d=torch.tensor(3), e=base.half(), f=base.double(),
    g=base.bfloat16(), h=torch.nn.Parameter(base), i=torch.zeros(0, 2), j=torch.tensor([True, False]), k=base[2],
)
torch.save(state, sys.argv[1] + "/zip.pth")
torch.save({"state_dict": state, "epoch": 3}, sys.argv[1] + "/old.pth", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 3), sys.argv[1] + "/network.pth")
state["g"] = state["g"].float()
numpy.savez(sys.argv[1] + "/values.npz", **{key: value.detach().numpy() for key, value in state.items()})
"""


@pytest.mark.slow
def test_what_torch_writes_is_what_is_read(torch_python, tmp_path):
    subprocess.run([torch_python, "-c", WRITTEN_BY_TORCH, tmp_path], check=True, env={"PATH": "/usr/bin"})
    values = np.load(tmp_path / "values.npz")
    for form in WRITERS:
        read = read_torch(tmp_path / f"{form}.pth")
        assert list(read) == list(values)
        for key in values:
            assert (read[key].shape, read[key].dtype) == (values[key].shape, values[key].dtype)
            np.testing.assert_array_equal(read[key], values[key])
    with pytest.raises(BadInput, match=r"asks for torch\.nn\.modules\.linear\.Linear"):
        read_torch(tmp_path / "network.pth")
