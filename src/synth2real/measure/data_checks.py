"""Checks of the data before training: counts and labels, near-duplicates, and outliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Inputs, Labelled, Unlabelled, name_of, to_float
from ..data.labels import Boxes, Masks
from ..data.unpadded import unpadded
from . import box_checks, mask_checks
from .backgrounds import lacks_backgrounds
from .differences import different
from .priors import unbalanced
from .ratios import STRETCHED

HASHED = 16  # side of the grey images that are searched for near-duplicates
BITS = 24  # of 240 hash bits, maximum difference between two near-duplicates
FLAT = 0.02  # a brightness increase up to this, in 0..1, counts as noise
NEAR = 0.03  # maximum root mean squared pixel difference between two near-duplicates, in 0..1
DETAIL = 64  # side of the grey images in which images with different labels are compared
SPOT = 0.15  # maximum difference at any place there; a larger one shows why the labels differ
SIDE = 8  # side of the pooled images that are searched for outliers
NEIGHBOURS = 0.15  # share of the images; larger groups of similar outliers are not found
REFERENCE = 3000  # images with which all images are compared
FELLOWS = 5  # number of nearest images; a group of similar outliers may be this large
# Threshold in standard deviations of the log distances. It finds 70 to 100 percent of digits among eyes, noise among
# digits or eyes among digits, and flags 0.5 to 6 percent of the correct images.
STRANGE = 6.0
FEW = 10  # samples; a class with fewer can hardly be learnt
LISTED = 5  # names in a warning
PART = 2048  # images per batch

Domain = Labelled | Unlabelled


@dataclass(frozen=True)
class Findings:
    """Results of the checks.

    Args:
        domains: count, shape and labels of source, target and test.
        duplicates: for each domain and each pair of domains, the index pairs of near-duplicate images.
        contradictions: for each labelled domain, those of its near-duplicates that have different labels, although no
            place of the image shows why.
        outliers: indices of target images that differ from all others, the most different first.
        minutes: expected training time in minutes, by route name; empty if it was not measured.
        warnings: warning texts.
    """

    domains: dict[str, dict[str, Any]]
    duplicates: dict[str, list[tuple[int, int]]]
    outliers: list[int]
    minutes: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    contradictions: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Plain data. For near-duplicates it holds the count and the first 20 pairs."""
        shortened = {
            key: {name: {"count": len(pairs), "first": pairs[:20]} for name, pairs in getattr(self, key).items()}
            for key in ("duplicates", "contradictions")
        }
        return {**asdict(self), **shortened}


def check(
    source: Labelled,
    target: Unlabelled,
    test: Labelled | None = None,
    *,
    source_groups: Tensor | None = None,
    target_groups: Tensor | None = None,
    on_section: Callable[[str, Findings], None] | None = None,
) -> Findings:
    """Check the loaded data. No target label is used.

    Near-duplicates within one domain are only counted, because renders of one scene are alike, and so are frames of a
    video. There is a warning for those with different labels, and for those in two domains.

    Args:
        source: the source data; for a simulator, a sample of it.
        target, test: the real data, without and with labels.
        source_groups, target_groups: (N,) int64, the person or video of each sample. Similar images within one group
            are not reported.
        on_section: called with `domains`, `duplicates` and `outliers` as soon as this part of the findings is known.
    """
    say = on_section or (lambda section, found: None)
    source, target = unpadded(source), unpadded(target)
    named: dict[str, Domain] = {"source": source, "target": target}
    if test is not None:
        test = unpadded(test)
        named["test"] = test
    domains = {name: _described(domain) for name, domain in named.items()}
    told = [*_shapes(named), *_ratios(named), *_labels(source, test)]
    told += [*mask_checks.warnings_of(domains), *box_checks.warnings_of(domains)]
    found = Findings(domains, {}, [], warnings=told)
    say("domains", found)
    if all(len(domain.shape) == 3 for domain in named.values()):
        pairs = _all_pairs(named, {"source": source_groups, "target": target_groups})
        conflicts = {
            name: contradicting(domain, pairs[name]) for name, domain in named.items() if isinstance(domain, Labelled)
        }
        told = [*_duplicates(pairs, named), *_contradictions(conflicts, named)]
        found = replace(found, duplicates=pairs, contradictions=conflicts, warnings=[*found.warnings, *told])
        say("duplicates", found)
        outliers = outliers_among(target.inputs, source.inputs if source.shape == target.shape else None)
        told = [*_outliers(outliers, target), *_backgrounds(source, target)]
        found = replace(found, outliers=outliers, warnings=[*found.warnings, *told])
        say("outliers", found)
    return found


def _all_pairs(named: dict[str, Domain], groups: dict[str, Tensor | None]) -> dict[str, list[tuple[int, int]]]:
    """Near-duplicates within each domain, without those of one group, and between domains."""
    small = {name: grey(domain.inputs, HASHED) for name, domain in named.items()}
    names = list(named)
    pairs = {}
    for i, one in enumerate(names):
        for other in names[i:]:
            found = alike(small[one], None if one == other else small[other])
            group = groups.get(one) if one == other else None
            if group is not None:
                found = [(a, b) for a, b in found if group[a] != group[b]]
            pairs[one if one == other else f"{one} and {other}"] = found
    return pairs


def contradicting(domain: Labelled, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those near-duplicates whose labels differ (see `different`) although the images are alike at every place.

    Args:
        domain: images with labels.
        pairs: its near-duplicates.
    """
    if not pairs:
        return []
    both = torch.tensor(pairs)
    kept = []
    for part in both[different(domain, both)].split(PART // 8):
        one, other = (grey(domain.inputs[part[:, i]], min(DETAIL, *domain.shape[1:])) for i in (0, 1))
        kept += [(a, b) for a, b in part[(one - other).abs().amax((1, 2)) <= SPOT].tolist()]
    return kept


def grey(inputs: Inputs, side: int) -> Tensor:
    """Small grey images (N, side, side) float32 in 0..1."""
    parts = []
    for index in torch.arange(len(inputs)).split(PART):
        x = to_float(inputs[index]).mean(1, keepdim=True)
        parts.append(F.interpolate(x, (side, side), mode="area" if min(x.shape[2:]) >= side else "bilinear")[:, 0])
    return torch.cat(parts)


def hashes(pictures: Tensor) -> Tensor:
    """Difference hash of grey images (N, S, S): (N, S (S - 1)) float32.

    A value is 1 if the brightness increases to the right by more than `FLAT`, and else -1.
    """
    return (pictures.diff(dim=2) > FLAT).flatten(1).float().mul_(2).sub_(1)


def alike(pictures: Tensor, others: Tensor | None = None) -> list[tuple[int, int]]:
    """Index pairs of near-duplicate grey images (N, S, S), found by difference hash and confirmed by their pixels.

    Args:
        pictures: the first set of images.
        others: the second set, or None for pairs within the first set.
    """
    ours = hashes(pictures)
    theirs = ours if others is None else hashes(others)
    compared = pictures if others is None else others
    found = []
    for rows in torch.arange(len(ours)).split(PART):
        apart = (ours.shape[1] - ours[rows] @ theirs.T) / 2
        pairs = (apart <= BITS).nonzero()
        pairs[:, 0] += rows[0]
        if others is None:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        for part in pairs.split(PART):
            error = (pictures[part[:, 0]] - compared[part[:, 1]]).square().mean((1, 2)).sqrt()
            found += [(a, b) for a, b in part[error <= NEAR].tolist()]
    return found


def simple_features(inputs: Inputs) -> list[Tensor]:
    """Generic image features, (N, F) each: shape, grey levels, frequency spectrum, edges, colour.

    Args:
        inputs: images (N, C, H, W).
    """
    parts: list[list[Tensor]] = []
    for index in torch.arange(len(inputs)).split(PART):
        x = to_float(inputs[index]).contiguous()
        shown = x.mean(1, keepdim=True)
        power = torch.fft.rfft2((shown - shown.mean((2, 3), keepdim=True))[:, 0], norm="ortho").abs()
        radius = (torch.fft.fftfreq(x.shape[2])[:, None] ** 2 + torch.fft.rfftfreq(x.shape[3])[None] ** 2).sqrt()
        rings = [power[:, (radius >= low) & (radius < low + 0.1)] for low in (0.0, 0.1, 0.2, 0.3, 0.4)]
        slopes = [F.adaptive_avg_pool2d(shown.diff(dim=axis).abs(), 3).flatten(1) for axis in (3, 2)]
        parts.append(
            [
                F.adaptive_avg_pool2d(shown, SIDE).flatten(1),
                torch.quantile(x.flatten(2), torch.linspace(0, 1, 5), dim=2).permute(1, 0, 2).flatten(1),
                torch.stack([ring.mean(1) for ring in rings if ring.shape[1]], 1).clamp(min=1e-4).log(),
                torch.cat(slopes, 1),
                torch.cat([x.mean((2, 3)) - shown.mean((2, 3)), (x - shown).abs().mean((2, 3))], 1),
            ]
        )
    return [torch.cat(kind) for kind in zip(*parts, strict=True)]


def outliers_among(target: Inputs, source: Inputs | None) -> list[int]:
    """Indices of target images that belong to neither domain, the most different first.

    The score of an image has two parts. The first is the distance that covers the nearest 15 percent of the target
    images; it also works if up to 15 percent are outliers of the same kind. The second is the ratio of this distance to
    the distance of the nearest images; it is large for a small group of similar outliers. Both parts are in standard
    deviations. These are measured below the median, where no outliers are. An image that is nearer to the source than
    the median target image is no outlier.

    Args:
        target: target images.
        source: source images of the same shape, or None.
    """
    ours = simple_features(target)
    theirs = ours if source is None else simple_features(source)
    scales = [kind.var(0).sum().sqrt().clamp(min=1e-3) for kind in ours]  # gives each kind of feature the same weight
    x, y = (torch.cat([k / scale for k, scale in zip(z, scales, strict=True)], 1) for z in (ours, theirs))
    generator = torch.Generator().manual_seed(0)
    reference = x[torch.randperm(len(x), generator=generator)[:REFERENCE]]
    far = _distance(x, reference, round(NEIGHBOURS * len(reference)) + 1)
    alone, apart = _deviations(far), _deviations(far / _distance(x, reference, FELLOWS + 1))
    flagged = (alone + apart.clamp(min=0) > STRANGE) & (alone > 1)
    if source is not None:
        near = _distance(x, y[torch.randperm(len(y), generator=generator)[:REFERENCE]], FELLOWS)
        flagged &= near > near.median()
    order = (alone + apart.clamp(min=0)).argsort(descending=True)
    return [int(i) for i in order if flagged[i]]


def _deviations(distance: Tensor) -> Tensor:
    logs = distance.log()
    middle = logs.median()
    return (logs - middle) / (middle - logs.quantile(0.16)).clamp(min=1e-3)


def _distance(features: Tensor, reference: Tensor, rank: int) -> Tensor:
    """Distance of each row of (N, F) to its `rank`-th nearest row of (M, F): (N,), at least 1e-6."""
    rank = min(rank, len(reference))
    parts = [torch.cdist(part, reference).kthvalue(rank, dim=1).values for part in features.split(PART)]
    return torch.cat(parts).clamp(min=1e-6)


def _described(domain: Domain) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(domain), "shape": list(domain.shape)}
    if domain.depth is not None:
        found["depth"] = domain.depth
    if isinstance(domain, Labelled) and isinstance(domain.labels, Masks):
        found |= mask_checks.described(domain)
    elif isinstance(domain, Labelled) and isinstance(domain.labels, Boxes):
        found |= box_checks.described(domain)
    elif isinstance(domain, Labelled) and domain.classes:
        counts = torch.bincount(domain.labels, minlength=len(domain.classes)).tolist()
        found["classes"] = dict(zip(domain.classes, counts, strict=True))
    elif isinstance(domain, Labelled):
        found["columns"] = {
            name: {
                "least": float(values.nan_to_num(torch.inf).min()),
                "most": float(values.nan_to_num(-torch.inf).max()),
                "mean": float(values.nanmean()),
                "missing": int(values.isnan().sum()),
            }
            for name, values in zip(domain.columns, domain.labels.T, strict=True)
        }
    return found


def _shapes(named: dict[str, Domain]) -> list[str]:
    target = named["target"].shape
    warnings = []
    for name, domain in named.items():
        if domain.shape != target:
            size = "x".join(map(str, target[1:]))
            warnings.append(
                f"{name} has inputs of {'x'.join(map(str, domain.shape))}, the target of "
                f"{'x'.join(map(str, target))} (channels x height x width): convert all with --size {size} "
                f"and --channels {target[0]}"
            )
    return warnings


def _ratios(named: dict[str, Domain]) -> list[str]:
    """A warning if images whose sides have different ratios are stretched to one size."""
    stretched = [one.sizes.double() for one in named.values() if one.sizes is not None and one.resize == "stretch"]
    ratios = torch.cat([sizes[:, 1] / sizes[:, 0] for sizes in stretched]) if stretched else torch.ones(1)
    low, high = float(ratios.min()), float(ratios.max())
    if high / low < STRETCHED:
        return []
    return [
        f"images with a ratio of width to height from {low:.2f} to {high:.2f} are stretched to one size, so one object "
        "has several shapes: --resize crop or --resize letterbox keeps the shapes"
    ]


def _labels(source: Labelled, test: Labelled | None) -> list[str]:
    if isinstance(source.labels, Masks | Boxes):
        return _unknown(source, test)
    if not source.classes:
        missing = int(source.labels.isnan().any(1).sum())
        return [f"{missing} of {len(source)} source samples lack a value. It is ignored"] if missing else []
    counts = torch.bincount(source.labels, minlength=len(source.classes))
    warnings = [
        f"class '{name}' has {count} source samples, expected {FEW} or more"
        for name, count in zip(source.classes, counts.tolist(), strict=True)
        if count < FEW
    ]
    if unbalanced(counts):
        most, least = source.classes[int(counts.argmax())], source.classes[int(counts.argmin())]
        warnings.append(
            f"the source is unbalanced: '{most}' has {int(counts.max())} samples, '{least}' {int(counts.min())}. "
            "If the class shares of the target are different, methods that match distributions lower the accuracy"
        )
    return warnings + _unknown(source, test)


def _unknown(source: Labelled, test: Labelled | None) -> list[str]:
    unknown = [name for name in test.classes if name not in source.classes] if test is not None else []
    named = ", ".join(unknown[:LISTED])
    return [f"test holds classes that the source lacks: {named}. Remove their images"] if unknown else []


def _backgrounds(source: Labelled, target: Unlabelled) -> list[str]:
    if not lacks_backgrounds(source, target):
        return []
    return [
        "the source shows its objects on a background of one colour, and the target does not. The default routes of "
        "compare paint backgrounds; for train add --randomize full --set randomize.background=1 "
        "--set randomize.clutter=0 --set randomize.cutout=0"
    ]


def _duplicates(found: dict[str, list[tuple[int, int]]], named: dict[str, Domain]) -> list[str]:
    """A warning for each two domains that share images."""
    warnings = []
    for where, pairs in found.items():
        one, _, other = where.partition(" and ")
        if not (pairs and other):
            continue
        images = len({a for a, _ in pairs})
        mend = (
            "They make the test score too high. Remove them from one of the two"
            if other == "test"
            else "Source and target share images. Remove them from one of the two"
        )
        first = _first(pairs, named[one], named[other])
        warnings.append(f"{images} images of {one} have near-duplicates in {other} ({first}). {mend}")
    return warnings


def _contradictions(found: dict[str, list[tuple[int, int]]], named: dict[str, Domain]) -> list[str]:
    """A warning for each domain with near-duplicates of different labels."""
    return [
        f"within {name}: {len(pairs)} pairs of near-duplicates have different labels "
        f"({_first(pairs, named[name], named[name])}). Look at them, and correct their labels"
        for name, pairs in found.items()
        if pairs
    ]


def _first(pairs: Sequence[tuple[int, int]], one: Domain, other: Domain) -> str:
    """The names of the first pairs."""
    return ", ".join(f"{name_of(one, a)} and {name_of(other, b)}" for a, b in pairs[:LISTED])


def _outliers(outliers: Sequence[int], target: Unlabelled) -> list[str]:
    if not outliers:
        return []
    amount, first = counted(outliers, target)
    return [f"{amount} are outliers ({first}). Look at them, and remove those that belong to neither domain"]


def counted(found: Sequence[int], target: Unlabelled) -> tuple[str, str]:
    """Two texts for messages: how many target samples these are, and the first of their names."""
    share, kind = 100 * len(found) / len(target), "images" if len(target.shape) == 3 else "samples"
    amount = f"{len(found)} of {len(target)} target {kind} ({share:.1f} percent)"
    return amount, ", ".join(name_of(target, i) for i in found[:LISTED])
