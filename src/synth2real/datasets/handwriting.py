"""Real handwritten digits that scikit-learn ships: 1,797 images of 8 by 8 from 43 people."""

from __future__ import annotations

import numpy as np
import torch

from ..data.domains import Labelled, Unlabelled

UNLABELLED_SHARE = 2 / 3


def handwriting() -> tuple[Unlabelled, Labelled]:
    """Two thirds without labels, to adapt to, and one third with labels, to score on.

    The set is in order of writers, so the last third comes from people who are not among the first two.

    Returns:
        Images (1198, 1, 8, 8) and (599, 1, 8, 8) uint8, white on black, the second with its digits.

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
