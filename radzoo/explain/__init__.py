"""Where a network looked: class activation maps and Grad-CAM, in 2-D and 3-D, on both backends.

CAM: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016. https://arxiv.org/abs/1512.04150
Grad-CAM: Selvaraju et al., Grad-CAM, ICCV 2017. https://arxiv.org/abs/1610.02391

A map says which places raised the output. It does not say where the disease is, nor that the network is right; some
kinds of map hardly change when the weights are replaced by random ones (Adebayo et al., Sanity Checks for Saliency
Maps, NeurIPS 2018; Grad-CAM passed there). Maps are as coarse as the features, and are laid over the image as if these
covered it evenly, which valid padding shifts by a few pixels.
"""

from radzoo.explain.maps import cam, grad_cam
from radzoo.explain.overlay import overlay, resize

__all__ = ["cam", "grad_cam", "overlay", "resize"]
