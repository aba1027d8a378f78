"""The same work in MONAI; run by path, by an interpreter that has torch and MONAI and need not have radzoo."""

from __future__ import annotations

import json
import sys

import monai
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import BasicUNet, UNet, VNet, vnet
from serving import serve  # beside this file
from torch.utils.flop_counter import FlopCounterMode

CLASSES, BATCH, WINDOWS, RATE = 2, 2, 4, 1e-3  # as in segmentation_keras
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def built(name: str) -> torch.nn.Module:
    """A network of about as many parameters as radzoo's small one."""
    if name == "UNet":
        return UNet(3, 1, CLASSES, (8, 16, 32, 64, 128), (2, 2, 2, 2), num_res_units=2)
    if name == "BasicUNet":  # pools, as the paper's does
        return BasicUNet(3, 1, CLASSES, (16, 16, 32, 64, 128, 16))
    # MONAI's VNet has no width: half as wide of its own blocks.
    net, act = VNet(3, 1, CLASSES), ("elu", {"inplace": True})
    net.in_tr = vnet.InputTransition(3, 1, 8, act)
    net.down_tr32, net.down_tr64 = vnet.DownTransition(3, 8, 1, act), vnet.DownTransition(3, 16, 2, act)
    net.down_tr128 = vnet.DownTransition(3, 32, 3, act, dropout_prob=0.5)
    net.down_tr256 = vnet.DownTransition(3, 64, 2, act, dropout_prob=0.5)
    net.up_tr256 = vnet.UpTransition(3, 128, 128, 2, act, dropout_prob=(0.5, 0.5))
    net.up_tr128 = vnet.UpTransition(3, 128, 64, 2, act, dropout_prob=(0.5, 0.5))
    net.up_tr64, net.up_tr32 = vnet.UpTransition(3, 64, 32, 1, act), vnet.UpTransition(3, 32, 16, 1, act)
    net.out_tr = vnet.OutputTransition(3, 16, CLASSES, act)
    return net


def step(net: torch.nn.Module, patch: int):
    """One step of training, on noise."""
    images = torch.rand(BATCH, 1, *(patch,) * 3).to(DEVICE)
    labels = torch.randint(0, CLASSES, (BATCH, 1, *(patch,) * 3)).to(DEVICE)
    loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, squared_pred=True)
    optimizer = torch.optim.Adam(net.parameters(), RATE)

    def once():
        optimizer.zero_grad()
        value = loss(net(images), labels)
        value.backward()
        optimizer.step()
        return value.item()  # waits for a GPU

    return once


def sliding(predict, patch: int, side: int):
    """Probabilities of a whole volume, in the memory of the host."""
    image = torch.rand(1, 1, *(side,) * 3).to(DEVICE)

    @torch.inference_mode()
    def once():
        return sliding_window_inference(image, (patch,) * 3, WINDOWS, predict, overlap=0.5, mode="gaussian").cpu()

    return once


def main(way: str, what: str, network: str, patch: int, side: int) -> None:
    facts = {"versions": f"MONAI {monai.__version__}, torch {torch.__version__} on {DEVICE}"}
    if what == "windows":
        answer = torch.rand(WINDOWS, CLASSES, *(patch,) * 3).to(DEVICE)
        serve(sliding(lambda windows: answer[: len(windows)], patch, side), facts)
        return
    net = built(way).to(DEVICE)
    facts["parameters"] = sum(each.numel() for each in net.parameters())
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net.eval()(torch.rand(1, 1, *(patch,) * 3).to(DEVICE))
    facts["multiply_adds"] = counter.get_total_flops() // 2
    if what == "step":
        serve(step(net.train(), patch), facts)
    else:
        serve(sliding(lambda windows: net(windows).softmax(1), patch, side), facts)


main(**json.loads(sys.argv[1]))
