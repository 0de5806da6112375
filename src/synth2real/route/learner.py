"""The objective of a run: settings that depend on the data and the machine, and the networks that it trains."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from ..adapt import Objective
from ..data.domains import Inputs, Labelled, Unlabelled, evenly, to_float
from ..data.fitting import Fitting
from ..data.given import scale_of
from ..data.sparse import Sparse
from ..errors import InputError
from ..networks.backbones import load_weights, read_weights
from ..networks.layers import Statistics
from ..networks.pretrained import NAMED, has_weights, licence_of, pretrained_weights, pretraining_of
from ..networks.tuning import Tuned, default_tune
from ..tasks import Classification, Task
from ..training.featured import Centred, featured_of
from ..training.hardware import Hardware
from ..training.kept import FeatureStore
from ..training.loop import Loop
from ..training.model import Model

PRETRAINED, NONE = "pretrained", "none"  # values of the setting `weights`; any other is a file
BOTTLENECK = 256  # width behind a frozen network
VIEWS = 8  # randomized views of each image that pass a frozen network
VALUES, LEAST = 2**26, 256  # most values that statistics are of, and least samples


def settled(objective: Objective, features: nn.Module | None, images: int, hardware: Hardware, task: Task) -> Objective:
    """The objective with a value for each setting of its network that was None.

    Args:
        objective: how the model is trained.
        features: a network that replaces the one by name, or None.
        images: number of labelled samples.
        hardware: to train on.
        task: what is predicted. Behind a frozen network of maps a pyramid is trained, and so no bottleneck.

    Raises:
        InputError: the settings ask for pretrained weights, and the network has none.
    """
    known = may_be_pretrained(objective, features)
    weights = objective.weights or (PRETRAINED if known else NONE)
    for setting, value in (("weights", weights), ("statistics", objective.statistics)):
        if value == PRETRAINED and not known:
            what = "of its own" if features is not None else f"'{objective.network or 'convolutional'}'"
            raise InputError(
                f"adapt.{setting} is '{PRETRAINED}', but the network {what} has no pretrained weights, expected the "
                f"network {NAMED}. Choose one of them, or leave adapt.{setting} out"
            )
    pretrained = known and weights != NONE
    tune = objective.tune or default_tune(pretrained, images, hardware.device.type)
    narrow, usual = objective.bottleneck, BOTTLENECK if tune == "frozen" and not task.dense else 0
    own: Statistics = "pretrained" if pretrained else "per-image"
    return replace(
        objective,
        weights=weights,
        tune=tune,
        bottleneck=usual if narrow is None else narrow,
        statistics=objective.statistics or own,
    )


def may_be_pretrained(objective: Objective, features: nn.Module | None) -> bool:
    """Whether the network has pretrained weights; one that replaces it (`features`) comes with its own."""
    return features is None and has_weights(objective.network)


def prepared(
    objective: Objective, source: Labelled, target: Unlabelled, task: Task, features: nn.Module | None, seed: int
) -> Objective:
    """A settled objective with its networks, whose initial weights are sampled with `seed`.

    Raises:
        InputError: a network or its weights do not exist, or do not fit the data.
    """
    network, weights = objective.network, objective.weights
    pretrained = may_be_pretrained(objective, features) and weights != NONE
    assert objective.tune is not None
    assert objective.statistics is not None
    assert objective.bottleneck is not None
    mean, std = statistics(source.inputs, source.fitting)
    if objective.statistics == PRETRAINED:
        images = pretraining_of(str(network))
        mean, std = torch.tensor(images.mean), torch.tensor(images.std)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Model(
            task,
            source.shape,
            features=copy.deepcopy(features),
            network=network,
            tune=objective.tune,
            bottleneck=objective.bottleneck,
            centred=keeps(objective, source, task) and objective.centred is not False,
            pretrained=pretrained,
            pretrained_norm=objective.pretrained_norm,
            licence=licence_of(str(network)) if weights == PRETRAINED else None,
            statistics=objective.statistics,
            mean=mean,
            std=std,
            head=objective.head,
            dropout=objective.dropped(task),
            norm=objective.norm,
            given_columns=source.given_columns,
            given_scale=None if source.given is None else scale_of(source.given),
        )
        check_trained(objective, model)
        notes = initialise(model, weights)
        sources = 1 if source.domain is None else int(source.domain.max()) + 1
        objective.prepare(model, target, sources)
    objective.weight_notes = notes
    return objective


def check_trained(objective: Objective, model: Model) -> None:
    """Raise `InputError` if the method adapts the features, of which nothing is trained."""
    featured = featured_of(model.features)
    parts = [part for part in (featured[1], featured.bottleneck) if part is not None]
    trained = [p.requires_grad for part in parts for p in part.parameters()]
    if not objective.adapts_features or not trained or any(trained):  # features without parameters are not frozen
        return
    behind, mend = (
        ("no pyramid is trained behind it, as it has one map", "Set adapt.tune=last or whole")
        if model.task.dense
        else ("no bottleneck is trained behind it (adapt.bottleneck=0)", "Leave adapt.bottleneck out")
    )
    raise InputError(
        f"{type(objective).__name__} adapts the features, but the network is frozen (adapt.tune) and {behind}, "
        f"expected features that are trained. {mend}"
    )


def keeps(objective: Objective, source: Labelled, task: Task) -> bool:
    """Whether each image passes the feature extractor once, and not at every step: it is frozen, and labels stay.

    Points and directions move with a randomized image, so they are computed at every step.
    """
    return objective.tune == "frozen" and len(source.shape) == 3 and isinstance(task, Classification)


def with_kept(
    objective: Objective, source: Labelled, target: Unlabelled, loop: Loop, store: FeatureStore
) -> tuple[Labelled, Unlabelled]:
    """Both domains with kept outputs of the frozen feature extractor as inputs.

    If the model centres them, the source is shifted onto the mean of the target, by which the model centres all.
    """
    model = objective.model.to(loop.hardware.device)
    count = objective.views or VIEWS
    ours, theirs = (store.views(model, domain.inputs, loop.randomize, count) for domain in (source, target))
    means = ours.mean(), theirs.mean()
    for network in objective.networks.values():
        for part in network.modules():
            if isinstance(part, Centred):
                part.source_mean.copy_(means[0])
                part.mean.copy_(means[1])
    if model.description["centred"]:
        ours.shift = means[1] - means[0]
    return replace(source, inputs=ours), replace(target, inputs=theirs)


def initialise(model: Model, weights: str | None) -> list[str]:
    """Load the initial weights of the feature extractor, and return what the user must know about them."""
    network = str(model.description["network"])
    if weights in (None, NONE):
        return []
    pretrained = weights == PRETRAINED
    what = "the pretrained weights" if pretrained else str(weights)
    given = pretrained_weights(network) if pretrained else read_weights(str(weights), network)
    parts, notes = [model.backbone], []
    if model.has_sets:
        parts.append(model.head.network if isinstance(model.head, Tuned) else model.head)
    known = [part.state_dict() for part in parts]
    if model.has_sets and not pretrained and (others := [key for key in given if not any(key in one for one in known)]):
        notes.append(f"{what}: {len(others)} weights are not in '{network}' and are left out, for example {others[0]}")
    for part, expected in zip(parts, known, strict=True):
        # The classifier, and a pooler that is not used, are left out.
        own = {key: value for key, value in given.items() if key in expected} if pretrained or model.has_sets else given
        notes += load_weights(part, own, what, network)
    return notes


def statistics(inputs: Inputs, fitting: Fitting | None = None, most: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel (or feature), (C,) float32 each, over at most `most` evenly spaced samples,
    and fewer of large ones. The padding of images of this `fitting` is left out.

    Sparse features are counts, or weighted counts, in one unit. Their mean is set to 0, so that zeros stay zeros. Their
    deviation is the root mean square of all non-zero values. If each feature had its own deviation, a word in one of a
    thousand reviews would outweigh all others: on reviews the accuracy was 0.60 instead of 0.72.
    """
    if isinstance(inputs, Sparse):
        width = inputs.shape[1]
        return torch.zeros(width), torch.full((width,), inputs.scale())
    index = evenly(len(inputs), min(most, max(LEAST, VALUES // inputs.shape[1:].numel())))
    x = to_float(inputs[index])
    if fitting is not None and fitting.padded:
        x = x.movedim(1, -1)[fitting.subset(index).inside]  # (M, C), the pixels that are no padding
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return x.mean(axes), x.std(axes).clamp(min=1e-3)
