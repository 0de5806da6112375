"""Classical mappings: the model keeps what skada computes, and a message if skada is not installed."""

import numpy as np
import pytest
import torch

from synth2real import InputError, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import MAPPINGS, SVM
from synth2real.adapt.mappings import skada as ours
from synth2real.adapt.mappings.skada import CoralMapping, OTMapping, Skada
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
    pytest.importorskip("skada", reason="the extra synth2real[skada] is not installed")
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
    pytest.importorskip("skada", reason="the extra synth2real[skada] is not installed")
    source, target, _ = domains()
    x, y = CoralMapping(shrinkage=0).fit_transform(source, target, Loop(steps=1))
    torch.testing.assert_close(torch.cov(x.inputs.T), torch.cov(y.inputs.T), atol=2e-2, rtol=2e-2)


def test_transport_maps_the_source_onto_the_target_and_keeps_the_target():
    pytest.importorskip("skada", reason="the extra synth2real[skada] is not installed")
    source, target, truth = domains()
    x, y = OTMapping().fit_transform(source, target, Loop(steps=1))
    torch.testing.assert_close(y.inputs, target.inputs)
    torch.testing.assert_close(x.inputs.mean(0), target.inputs.mean(0), atol=1e-4, rtol=1e-4)
    assert Route(adapt=OTMapping(then=SVM())).run(source, target).model.evaluate(truth)["accuracy"] > 0.85
