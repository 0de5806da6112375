"""Camera effects on a batch of images: blur and histogram equalisation."""

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)
LEAST = -80.0  # exponent of the smallest weight in a blur: products with denormal numbers are ten times slower


def blur(images: Tensor, sigma: Tensor, shift: Tensor | None = None) -> Tensor:
    """Gaussian blur of (N, C, H, W). Rows and columns are two matrix products.

    Args:
        sigma: (N,) standard deviation, pixels.
        shift: (N, 2) by which the images also move, down and to the right, pixels.
    """
    inverse = -0.5 / sigma.clamp(min=0.05).square()[:, None, None]
    down, across = (
        torch.softmax((inverse * (places[:, None] - places - moved).square()).clamp(min=LEAST), -1)
        for places, moved in (
            (torch.arange(n, device=images.device), 0 if shift is None else shift[:, i, None, None])
            for i, n in enumerate(images.shape[2:])
        )
    )
    blurred: Tensor = down[:, None] @ images @ across[:, None].mT
    return blurred


def equalise(images: Tensor) -> Tensor:
    """Equalise the luminance histogram of images (N, C, H, W) in 0..1, like `equalizeHist` of OpenCV with 256 levels.

    The darkest level becomes 0. Each channel keeps its difference from the luminance.
    """
    grey = images if images.shape[1] == 1 else luminance(images)
    levels = (grey * 255).round().long().flatten(1)
    counts = torch.zeros(len(images), 256, device=images.device)
    counts.scatter_add_(1, levels, torch.ones((), device=images.device).expand(levels.shape))
    below = counts.cumsum(1)
    darkest = counts.gather(1, levels.amin(1, keepdim=True))
    table = (below - darkest) / (below[:, -1:] - darkest).clamp(min=1)
    return (images + (table.gather(1, levels).view_as(grey) - grey)).clamp(0, 1)


def luminance(images: Tensor) -> Tensor:
    """Luminance (N, 1, H, W) of images (N, 3, H, W)."""
    return (images * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
