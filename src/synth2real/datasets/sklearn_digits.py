"""Real handwritten digits included in scikit-learn: 1,797 images of 8 by 8 from 43 people."""

from __future__ import annotations

import numpy as np
import torch

from ..data.domains import Labelled, Unlabelled

UNLABELLED_SHARE = 2 / 3


def handwriting() -> tuple[Unlabelled, Labelled]:
    """Load the digits as an unlabelled part for adaptation (two thirds) and a labelled part for evaluation (one third).

    The data is in order of the writers. The writers of the last third are therefore not in the first two thirds.

    Returns:
        Images (1198, 1, 8, 8) without labels and (599, 1, 8, 8) with the digits as labels, uint8, white on black.

    References:
        Kaynak (1995); E. Alpaydin & C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository (CC BY 4.0).
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    levels = np.asarray(digits.images, dtype=np.float32)  # 0..16
    images = torch.from_numpy((levels * (255 / 16)).round().astype(np.uint8))[:, None]
    labels = torch.from_numpy(np.asarray(digits.target, dtype=np.int64))
    count = round(len(images) * UNLABELLED_SHARE)
    names = tuple(str(digit) for digit in range(10))
    return Unlabelled(images[:count]), Labelled(images[count:], labels[count:], names)
