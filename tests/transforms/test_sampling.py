"""Constants are cached on their device, and work in any autograd graph."""

import torch

from synth2real.transforms.sampling import constant


def test_a_constant_is_made_once_for_each_device() -> None:
    first = constant((3.0, 4.0), torch.device("cpu"))
    assert first.tolist() == [3.0, 4.0]
    assert first.dtype == torch.float32
    assert constant((3.0, 4.0), torch.device("cpu")) is first
    assert constant((4.0, 3.0), torch.device("cpu")) is not first


def test_a_constant_made_in_prediction_works_in_training() -> None:
    with torch.inference_mode():
        made = constant((0.125, 7.5), torch.device("cpu"))
    x = torch.ones(2, requires_grad=True)
    (x * made).sum().backward()
    assert x.grad.tolist() == [0.125, 7.5]


def test_a_constant_that_is_traced_for_an_export_is_not_kept():
    class Adds(torch.nn.Module):
        def forward(self, x):
            return x + constant((1.5, 2.5), x.device)

    torch.export.export(Adds(), (torch.zeros(2),))
    assert constant((1.5, 2.5), torch.device("cpu")).tolist() == [1.5, 2.5]
