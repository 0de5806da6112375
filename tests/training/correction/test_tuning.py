"""Fine-tuning with a few labels: it fits them beside the source, and refuses too few and feature maps."""

import pytest
import torch

from synth2real import FewLabels, InputError, Labelled, Model, Unlabelled
from synth2real.networks.feature_maps import Layers
from synth2real.tasks import Classification, Regression
from synth2real.training.correction import fine_tune, fine_tuned
from synth2real.training.loop import Loop


def data(count, seed, shift):
    """Features, and their sum plus a shift."""
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return x, x.sum(1, keepdim=True).double() + shift


def model():
    torch.manual_seed(0)
    return Model(Regression(("y",), (0.0,), (1.0,)), (3,), statistics="none").eval()


def test_the_network_fits_the_few_labels_beside_the_source_and_the_model_before_is_not_changed():
    source = Labelled(*data(60, 0, 0.0), columns=("y",))
    few = FewLabels(*data(20, 1, 0.5), columns=("y",))
    before = model()
    weights = {key: value.clone() for key, value in before.state_dict().items()}
    loop = Loop(steps=150, batch=16)
    one, two = (fine_tune(before, few, source, loop, rate=3e-3) for _ in range(2))
    assert one.evaluate(few.labelled())["mean_error"] < 0.5 * before.evaluate(few.labelled())["mean_error"]
    assert all(torch.equal(value, weights[key]) for key, value in before.state_dict().items())
    assert all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())
    found = fine_tuned(before, few, source, Unlabelled(few.inputs), loop)
    assert found.shares == {"fine-tuning": 1.0}
    assert found.gain == pytest.approx(found.before - found.after)
    assert "by two-fold cross-validation" in found.words


def test_class_labels_are_those_of_the_model_by_name():
    torch.manual_seed(0)
    classifier = Model(Classification(("a", "b", "c")), (3,)).eval()
    x = torch.randn(30, 3)
    source = Labelled(x, torch.arange(30) % 3, ("a", "b", "c"))
    few = FewLabels(x[:6] + 1, torch.tensor([0, 1, 0, 1, 0, 1]), ("b", "c"))
    tuned = fine_tune(classifier, few, source, Loop(steps=60, batch=8), rate=1e-2, weight=5)
    assert tuned.evaluate(few.labelled())["accuracy"] == 1


def test_too_few_labels_and_feature_maps_are_refused():
    source = Labelled(*data(60, 0, 0.0), columns=("y",))
    few = FewLabels(*data(3, 1, 0.5), columns=("y",))
    with pytest.raises(InputError, match=r"3 few label\(s\), expected 4 or more to fine-tune. Leave out --fine-tune"):
        fine_tuned(model(), few, source, Unlabelled(few.inputs), Loop(steps=1))
    mapped = model()
    mapped.put_behind(Layers((3, 3)))
    with pytest.raises(InputError, match="the model has a feature map, which is not fine-tuned"):
        fine_tune(mapped, few, source, Loop(steps=1))
