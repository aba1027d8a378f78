"""Torch's side of `test_models_torch.py`: `python torch_models.py NAME FOLDER SIZE...`, in an interpreter with torch.

Writes `weights.pth` (the state_dict of a network with random weights) and `answers.npz`: for every size `HxW` the
`pixels` that were read, `(1, h, w, 3)`, and the outputs before softmax, main first. Networks of torchvision get pixels
in the way of its pretrained weights, the others get them as they are.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
NOT_INIT = {"aux_logits": True, "init_weights": False, "transform_input": True}  # as with weights=...
TORCHVISION = {
    "alexnet_owt": ("alexnet", {}),
    "vgg16": ("vgg16", {}),
    "googlenet_bn": ("googlenet", NOT_INIT),
    "inception_v3": ("inception_v3", NOT_INIT),
    "resnet18": ("resnet18", {}),
    "resnet50": ("resnet50", {}),
    "densenet121": ("densenet121", {}),
    "squeezenet": ("squeezenet1_1", {}),
    "mobilenet_v2": ("mobilenet_v2", {}),
}


def krizhevsky(x):
    """`x / (2 + 1e-4 * sum) ** .75`; torch divides alpha by the number of channels."""
    return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)


def caffe(x):
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)


class Named(nn.Module):
    """Layers made where they are first used, under the names of radzoo."""

    def conv(self, x, filters, kernel, name, stride=1, padding=0, groups=1):
        if not hasattr(self, f"{name}_conv"):
            setattr(self, f"{name}_conv", nn.Conv2d(x.shape[1], filters, kernel, stride, padding, groups=groups))
        return F.relu(getattr(self, f"{name}_conv")(x))

    def norm_conv(self, x, filters, name):
        if not hasattr(self, f"{name}_norm"):
            setattr(self, f"{name}_conv", nn.Conv2d(x.shape[1], filters, 3, padding=1))
            setattr(self, f"{name}_norm", nn.BatchNorm2d(filters))
        return F.relu(getattr(self, f"{name}_norm")(getattr(self, f"{name}_conv")(x)))

    def up(self, x, filters, name):
        if not hasattr(self, f"{name}_conv"):
            setattr(self, f"{name}_conv", nn.ConvTranspose2d(x.shape[1], filters, 2, 2))
        return F.relu(getattr(self, f"{name}_conv")(x))

    def back(self, x, filters, kernel, name, stride=1):
        """Transposed convolution alone, under the whole name."""
        if not hasattr(self, name):
            setattr(self, name, nn.ConvTranspose2d(x.shape[1], filters, kernel, stride))
        return getattr(self, name)(x)

    def pixels(self, x, classes, **options):
        """The last convolution, with the classes as the last axis."""
        if not hasattr(self, "head_logits"):
            self.head_logits = nn.Conv2d(x.shape[1], classes, **options)
        return self.head_logits(x).permute(0, 2, 3, 1)

    def linear(self, x, units, name):
        if not hasattr(self, name):
            setattr(self, name, nn.Linear(x.shape[1], units))
        return getattr(self, name)(x)


class AlexNet(Named):
    """Krizhevsky 2012, two towers; or CaffeNet, which pools first and has Caffe's response normalisation."""

    def __init__(self, response, pool_first=False):
        super().__init__()
        self.response, self.pool_first = response, pool_first

    def rest(self, x):
        if self.pool_first:
            return self.response(F.max_pool2d(x, 3, 2))
        return F.max_pool2d(self.response(x), 3, 2)

    def forward(self, x):
        x = self.rest(self.conv(x, 96, 11, "stem", stride=4))
        x = self.rest(self.conv(x, 256, 5, "stage1", padding=2, groups=2))
        x = self.conv(x, 384, 3, "stage2_block1", padding=1)
        x = self.conv(x, 384, 3, "stage2_block2", padding=1, groups=2)
        x = F.max_pool2d(self.conv(x, 256, 3, "stage2_block3", padding=1, groups=2), 3, 2)
        x = F.relu(self.linear(torch.flatten(x, 1), 4096, "head_fc6_dense"))
        x = F.relu(self.linear(x, 4096, "head_fc7_dense"))
        return [self.linear(x, 1000, "head_logits")]


class GoogLeNet(Named):
    """Szegedy 2014, Table 1 and Figure 3: biases, 5x5, response normalisation, two auxiliary heads."""

    def __init__(self, response):
        super().__init__()
        self.response = response

    def module(self, x, name, one, r3, three, r5, five, projection):
        sides = [
            self.conv(x, one, 1, f"{name}_branch1"),
            self.conv(self.conv(x, r3, 1, f"{name}_branch2_reduce"), three, 3, f"{name}_branch2", padding=1),
            self.conv(self.conv(x, r5, 1, f"{name}_branch3_reduce"), five, 5, f"{name}_branch3", padding=2),
            self.conv(F.max_pool2d(x, 3, 1, 1), projection, 1, f"{name}_branch4"),
        ]
        return torch.cat(sides, 1)

    def auxiliary(self, x, name):
        x = self.conv(F.avg_pool2d(x, 5, 3), 128, 1, f"{name}_reduce")
        x = F.relu(self.linear(torch.flatten(x, 1), 1024, f"{name}_dense"))
        return self.linear(x, 1000, f"{name}_logits")

    def forward(self, x):
        x = self.conv(x, 64, 7, "stem", stride=2, padding=3)
        x = self.response(F.max_pool2d(x, 3, 2, ceil_mode=True))
        x = self.conv(self.conv(x, 64, 1, "stage1_reduce"), 192, 3, "stage1", padding=1)
        x = F.max_pool2d(self.response(x), 3, 2, ceil_mode=True)
        x = self.module(x, "stage2_block1", 64, 96, 128, 16, 32, 32)
        x = self.module(x, "stage2_block2", 128, 128, 192, 32, 96, 64)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = a = self.module(x, "stage3_block1", 192, 96, 208, 16, 48, 64)
        x = self.module(x, "stage3_block2", 160, 112, 224, 24, 64, 64)
        x = self.module(x, "stage3_block3", 128, 128, 256, 24, 64, 64)
        x = d = self.module(x, "stage3_block4", 112, 144, 288, 32, 64, 64)
        x = self.module(x, "stage3_block5", 256, 160, 320, 32, 128, 128)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.module(x, "stage4_block1", 256, 160, 320, 32, 128, 128)
        x = self.module(x, "stage4_block2", 384, 192, 384, 48, 128, 128)
        main = self.linear(x.mean((2, 3)), 1000, "head_logits")
        return [main, self.auxiliary(a, "head_auxiliary1"), self.auxiliary(d, "head_auxiliary2")]


class UNet(Named):
    """Ronneberger 2015: valid convolutions, the map across cut in its middle."""

    def pair(self, x, filters, name):
        return self.conv(self.conv(x, filters, 3, f"{name}_block1"), filters, 3, f"{name}_block2")

    def forward(self, x):
        maps = [self.pair(x, 64, "stem")]
        for i in (1, 2, 3, 4):
            maps.append(self.pair(F.max_pool2d(maps[-1], 2), 64 * 2**i, f"stage{i}"))
        x = maps.pop()
        for i, across in enumerate(reversed(maps), start=1):
            x = self.up(x, across.shape[1], f"decoder{i}_up")
            top, left = ((a - b) // 2 for a, b in zip(across.shape[2:], x.shape[2:], strict=True))
            across = across[:, :, top : top + x.shape[2], left : left + x.shape[3]]
            x = self.pair(torch.cat([across, x], 1), across.shape[1], f"decoder{i}")
        return [self.pixels(x, 2, kernel_size=1)]


class SegNet(Named):
    """Badrinarayanan 2017, with torch's own pooling indices and unpooling."""

    WIDTHS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
    BACK = ((512,) * 3, (512, 512, 256), (256, 256, 128), (128, 64), (64,))

    def forward(self, x):
        places = []
        for i, widths in enumerate(self.WIDTHS):
            for j, filters in enumerate(widths, start=1):
                x = self.norm_conv(x, filters, f"{f'stage{i}' if i else 'stem'}_block{j}")
            size = x.shape[2:]
            x, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            places.append((indices, size))
        for i, widths in enumerate(self.BACK, start=1):
            indices, size = places.pop()
            x = F.max_unpool2d(x, indices, 2, output_size=size)
            for j, filters in enumerate(widths, start=1):
                x = self.norm_conv(x, filters, f"decoder{i}_block{j}")
        return [self.pixels(x, 11, kernel_size=3, padding=1)]


class REDCNN(Named):
    """Chen 2017: valid convolutions of 5, sums before the rectifiers; without the last rectifier."""

    def forward(self, x):
        image, maps = x, []
        for name in ("stem", "stage1", "stage2", "stage3", "stage4"):
            x = self.conv(x, 96, 5, name)
            maps.append(x)
        x = F.relu(self.back(x, 96, 5, "decoder1_conv") + maps[3])
        x = F.relu(self.back(x, 96, 5, "decoder2_conv"))
        x = F.relu(self.back(x, 96, 5, "decoder3_conv") + maps[1])
        x = F.relu(self.back(x, 96, 5, "decoder4_conv"))
        return [(self.back(x, 3, 5, "head_logits") + image).permute(0, 2, 3, 1)]


class DnCNN(Named):
    """Zhang 2017, as its authors train it: no biases under the normalisation, whose epsilon is 1e-4."""

    def __init__(self):
        super().__init__()
        for i in range(1, 16):
            setattr(self, f"stage{i}_conv", nn.Conv2d(64, 64, 3, padding=1, bias=False))
            setattr(self, f"stage{i}_norm", nn.BatchNorm2d(64, eps=1e-4))

    def forward(self, x):
        image = x.permute(0, 2, 3, 1)
        x = self.conv(x, 64, 3, "stem", padding=1)
        for i in range(1, 16):
            x = F.relu(getattr(self, f"stage{i}_norm")(getattr(self, f"stage{i}_conv")(x)))
        return [image - self.pixels(x, 3, kernel_size=3, padding=1)]


class FBPConvNet(Named):
    """Jin 2017: of every transposed convolution the last row and column are cut off."""

    def forward(self, x):
        image, maps = x.permute(0, 2, 3, 1), []
        for i in range(5):
            x = F.max_pool2d(x, 2) if i else x
            for j in range(2 if i else 3):
                x = self.norm_conv(x, 64 * 2**i, f"{f'stage{i}' if i else 'stem'}_block{j + 1}")
            maps.append(x)
        for i in range(1, 5):
            name, across = f"decoder{i}", maps[4 - i]
            x = self.back(x, across.shape[1], 3, f"{name}_up_conv", stride=2)[..., :-1, :-1]
            if not hasattr(self, f"{name}_up_norm"):
                setattr(self, f"{name}_up_norm", nn.BatchNorm2d(across.shape[1]))
            x = torch.cat([across, F.relu(getattr(self, f"{name}_up_norm")(x))], 1)
            for j in (1, 2):
                x = self.norm_conv(x, across.shape[1], f"{name}_block{j}")
        return [self.pixels(x, 3, kernel_size=1) + image]


OWN = {
    "unet": UNet,
    "segnet": SegNet,
    "redcnn": REDCNN,
    "dncnn": DnCNN,
    "fbpconvnet": FBPConvNet,
    "alexnet": lambda: AlexNet(krizhevsky),
    "caffenet": lambda: AlexNet(caffe, pool_first=True),
    "googlenet": lambda: GoogLeNet(krizhevsky),
    "googlenet_caffe": lambda: GoogLeNet(caffe),
}


def randomise(network: nn.Module) -> None:
    """Weights that keep signals in range, and statistics of normalisation that are not those of a new network."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)


def outputs(network: nn.Module, image: torch.Tensor) -> list:
    """All outputs at inference, main first; torchvision shows the auxiliary ones in training alone."""
    network.eval()
    network.training = True  # of the network itself: normalisation and dropout inside stay at inference
    found = network(image)
    if isinstance(found, list):
        return found
    if hasattr(found, "aux_logits1"):
        return [found.logits, found.aux_logits1, found.aux_logits2]
    return [found.logits, found.aux_logits] if hasattr(found, "logits") else [found]


def grouped(state: dict, groups: int) -> dict:
    """A convolution in groups as one tensor per group, as radzoo has it."""
    wide = {}
    for key, value in state.items():
        layer, _, leaf = key.rpartition(".")
        if layer in ("stage1_conv", "stage2_block2_conv", "stage2_block3_conv"):
            for i, part in enumerate(value.chunk(groups), start=1):
                wide[f"{layer.removesuffix('_conv')}_group{i}_conv.{leaf}"] = part.clone()
        else:
            wide[key] = value
    return wide


def main(name: str, folder: Path, sizes: list[str]) -> None:
    if name in OWN:
        network = OWN[name]()
        outputs(network, torch.zeros(1, 3, *map(int, sizes[0].split("x"))))  # makes the layers
    else:
        function, arguments = TORCHVISION[name]
        network = getattr(torchvision.models, function)(weights=None, **arguments)
    randomise(network)
    answers = {}
    for size in sizes:
        pixels = torch.randint(0, 256, (1, *map(int, size.split("x")), 3))
        image = pixels.float() if name in OWN else (pixels / 255 - MEAN) / STD
        with torch.no_grad():
            found = outputs(network, image.permute(0, 3, 1, 2))
        answers[f"pixels_{size}"] = pixels.numpy().astype("uint8")
        answers |= {f"output{i}_{size}": output.numpy() for i, output in enumerate(found)}
    state = network.state_dict()
    state = grouped(state, 2) if name in ("alexnet", "caffenet") else state
    torch.save(state, folder / "weights.pth", _use_new_zipfile_serialization=name != "squeezenet")  # both formats
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
