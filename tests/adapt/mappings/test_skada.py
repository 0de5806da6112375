"""Classical mappings: the model keeps what skada computes, and a message if skada is not installed."""

import numpy as np
import pytest
import torch

from skips import optional
from synth2real import InputError, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import MAPPINGS, SVM
from synth2real.adapt.mappings import skada as ours
from synth2real.adapt.mappings.skada import (
    TCA,
    CoralMapping,
    OTMapping,
    Skada,
    SubspaceAlignment,
    stable_components,
    transfer_components,
)
from synth2real.training.loop import Loop

NAMES = [name for name, mapping in MAPPINGS.items() if issubclass(mapping, Skada)]


def domains() -> tuple[Labelled, Unlabelled, Labelled]:
    """Two Gaussian classes; the target is rotated by 40 degrees and shifted."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 2
    x = torch.randn(120, 3, generator=generator) * torch.tensor([0.4, 1.0, 0.4])
    x[:, 0] += 2.0 * y - 1
    c, s = np.cos(0.7), np.sin(0.7)
    turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float32)
    moved = x @ turn.T + torch.tensor([1.5, -1.0, 0.3])
    return Labelled(x, y), Unlabelled(moved), Labelled(moved, y)


def test_all_are_listed():
    assert NAMES == ["coral-mapping", "subspace-alignment", "tca", "ot-mapping"]


@pytest.mark.parametrize("name", NAMES)
def test_without_the_extra_the_message_names_what_to_install(name, monkeypatch):
    def missing(_):
        raise ImportError("No module named 'skada'")

    monkeypatch.setattr(ours, "import_module", missing)
    with pytest.raises(InputError, match=r"needs skada and POT .*pip install 'synth2real\[skada\]'"):
        Route(adapt=MAPPINGS[name]()).run(*domains()[:2])


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_map_is_the_adapters_for_new_samples_of_the_target(name, tmp_path):
    optional("skada", "skada")
    source, target, truth = domains()
    mapping = MAPPINGS[name]()
    mapping.fit(source, target, Loop(steps=1))
    new = torch.randn(7, 3)
    assert mapping.feature_map is not None
    torch.testing.assert_close(
        mapping.feature_map(new), mapping.mapped(new.double().numpy(), ours.TARGET), atol=1e-3, rtol=1e-3
    )
    model = Route(adapt=MAPPINGS[name](then=SVM())).run(source, target).model
    assert model.evaluate(truth)["accuracy"] > 0.5
    model.save(tmp_path)
    assert torch.equal(load_model(tmp_path).predict(target).values, model.predict(target).values)


def test_coral_equals_the_covariances():
    optional("skada", "skada")
    source, target, _ = domains()
    x, y = CoralMapping(shrinkage=0).fit_transform(source, target, Loop(steps=1))
    torch.testing.assert_close(torch.cov(x.inputs.T), torch.cov(y.inputs.T), atol=2e-2, rtol=2e-2)


def spectrum(count: int, width: int, seed: int) -> np.ndarray:
    """Samples (N, F) whose covariance has a few large eigenvalues, and all others nearly equal."""
    x = np.random.default_rng(seed).normal(size=(count, width))
    x[:, :3] *= [9.0, 6.0, 4.0]
    return x


def test_the_number_of_components_is_the_greatest_that_the_papers_bound_allows():
    x, y = spectrum(400, 60, 0), spectrum(300, 60, 1)
    found, values, length = stable_components(x, y), [], 0.0
    for z in (x, y):
        z = (z - z.mean(0)) / np.sqrt(z.var(0).mean())
        values.append(np.linalg.eigvalsh(z.T @ z / len(z))[::-1])
        length = max(length, *np.linalg.norm(z, axis=1))

    def stable(d: int) -> bool:
        bound = (1 + np.sqrt(np.log(2 / 0.1) / 2)) * 16 * d**1.5 * length / (1e5 * np.sqrt(300))
        return min(float(v[d - 1] - v[d]) for v in values) >= bound

    assert 3 <= found < 59
    assert stable(found)
    assert not any(stable(d) for d in range(found + 1, 59))
    assert stable_components(1000 * x + 5, 0.01 * y) == found, "the unit of the features does not matter"


@pytest.mark.parametrize("shape", [(2, 1), (2, 5), (3, 2), (4, 30), (30, 4)])
def test_small_domains_have_a_number_of_components(shape):
    random = np.random.default_rng(0)
    found = stable_components(random.normal(size=shape), random.normal(size=shape))
    assert 1 <= found <= max(1, min(shape[1], shape[0] - 1) - 1)
    assert stable_components(np.zeros(shape), np.zeros(shape)) >= 1


def test_by_default_subspace_alignment_changes_the_features():
    optional("skada", "skada")
    x, y = (torch.from_numpy(spectrum(400, 60, seed)).float() for seed in (0, 1))
    count = stable_components(x.double().numpy(), y.double().numpy())
    labels = torch.arange(400) % 2
    ours, theirs = SubspaceAlignment().fit_transform(Labelled(x, labels), Unlabelled(y), Loop(steps=1))
    bases = [torch.linalg.svd(z - z.mean(0)).Vh[:count] for z in (x, y)]
    torch.testing.assert_close(
        (x - x.mean(0)) @ bases[0].T @ bases[0] @ bases[1].T @ bases[1],
        ours.inputs @ axes(y, theirs.inputs),
        atol=2e-3,
        rtol=1e-2,
    )
    with pytest.raises(InputError, match=r"adapt\.components is 61, but the domains have 60 principal components"):
        SubspaceAlignment(components=61).fit(Labelled(x, labels), Unlabelled(y), Loop(steps=1))


def axes(y: torch.Tensor, mapped: torch.Tensor) -> torch.Tensor:
    """The target's components (d, F), whose signs are free, from its mapped features (M, d)."""
    return torch.linalg.lstsq(mapped, y - y.mean(0)).solution


def test_transfer_components_solve_the_papers_problem():
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3))
    x[20:] += 1.0
    kernel = np.exp(-((x[:, None] - x) ** 2).sum(2) / 3)
    centre = np.eye(40) - 1 / 40
    e = np.repeat([1 / 20, -1 / 20], 20)
    for mu in (0.1, 10.0, 1e6):
        found = transfer_components(kernel, 20, 3, mu)
        limits = np.eye(40) + mu * kernel @ np.outer(e, e) @ kernel
        values, vectors = np.linalg.eig(np.linalg.solve(limits, kernel @ centre @ kernel))
        leading = vectors[:, values.real.argsort()[::-1][:3]].real
        np.testing.assert_allclose(np.abs((found * leading).sum(0)), 1, atol=1e-6)
        apart = np.abs(e @ kernel @ found) / (kernel @ found).std(0)
    assert apart.max() < 1e-3, "with much weight on their distance, the domain means are equal"


def test_tca_keeps_these_components():
    optional("skada", "skada")
    source, target, _ = domains()
    x, y = TCA(mu=1e6).fit_transform(source, target, Loop(steps=1))
    gap = (x.inputs.mean(0) - y.inputs.mean(0)).abs() / x.inputs.std(0)
    assert gap.max() < 0.01


def test_transport_maps_the_source_onto_the_target_and_keeps_the_target():
    optional("skada", "skada")
    source, target, truth = domains()
    x, y = OTMapping().fit_transform(source, target, Loop(steps=1))
    torch.testing.assert_close(y.inputs, target.inputs)
    torch.testing.assert_close(x.inputs.mean(0), target.inputs.mean(0), atol=1e-4, rtol=1e-4)
    assert Route(adapt=OTMapping(then=SVM())).run(source, target).model.evaluate(truth)["accuracy"] > 0.85


def test_the_kept_map_of_many_features_is_the_adapters_too():
    optional("skada", "skada")
    generator = torch.Generator().manual_seed(0)
    width = ours.BATCH + 50  # more than the unit vectors that are mapped at once
    source = Labelled(torch.randn(20, width, generator=generator), torch.arange(20) % 2)
    mapping = SubspaceAlignment(components=3)
    mapping.fit(source, Unlabelled(torch.randn(20, width, generator=generator)), Loop(steps=1))
    new = torch.randn(7, width, generator=generator)
    expected = mapping.mapped(new.double().numpy(), ours.TARGET)
    assert mapping.feature_map is not None
    torch.testing.assert_close(mapping.feature_map(new), expected, atol=1e-3, rtol=1e-3)


def test_coral_refuses_features_that_would_take_hours():
    optional("skada", "skada")
    x = torch.zeros(3, ours.WIDEST + 1)
    with pytest.raises(InputError, match=r"found 10001 features, expected 10000 or fewer.*choose --adapt subspace"):
        CoralMapping().fit(Labelled(x, torch.arange(3)), Unlabelled(x), Loop(steps=1))
