"""An ensemble of masks predicts the mean of the probabilities of its members."""

import torch

from discs import CLASSES, discs
from synth2real.tasks import Segmentation
from synth2real.training.ensemble import Ensemble, mix
from synth2real.training.model import Model
from synth2real.training.saved_model import load_model

TASK = Segmentation(CLASSES, (32, 32))


class Coarse(torch.nn.Module):
    """Maps at stride 8."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 4, 8, stride=8)

    def forward(self, x):
        return self.layer(x)


def test_masks_of_an_ensemble_are_those_of_the_mean_probabilities(tmp_path):
    models = [Model(TASK, (1, 32, 32)).eval() for _ in range(3)]
    inputs = discs(4, 0).unlabelled()
    ensemble = Ensemble(models).eval()
    mean = torch.stack([model.outputs(inputs.inputs).softmax(1) for model in models]).mean(0)
    torch.testing.assert_close(ensemble.outputs(inputs.inputs).softmax(1), mean, atol=1e-5, rtol=0)
    assert ensemble.predict(inputs).values.shape == (4, 32, 32)
    ensemble.save(tmp_path)
    assert torch.equal(load_model(tmp_path).predict(inputs).values, ensemble.predict(inputs).values)


def test_members_with_coarser_maps_are_enlarged():
    fine, coarse = Model(TASK, (1, 32, 32)).eval(), Model(TASK, (1, 32, 32), features=Coarse()).eval()
    inputs = discs(2, 0).inputs
    assert coarse.outputs(inputs).shape[2] < fine.outputs(inputs).shape[2]
    assert Ensemble([coarse, fine]).eval().outputs(inputs).shape == fine.outputs(inputs).shape


def test_weights_of_maps_may_be_negative():
    outputs = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log().view(2, 1, 2, 1, 1)
    found = mix(outputs, TASK, torch.tensor([1.5, -0.5])).exp().flatten()
    torch.testing.assert_close(found, torch.tensor([1.1, 1e-12]), atol=0.11, rtol=0)
