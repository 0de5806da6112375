import torch

from synth2real.simulate.blobs import Blobs, apart


def discs(x, image, radius=5.0):
    x = torch.tensor(x, dtype=torch.float32)
    return Blobs.round(
        torch.tensor(image, dtype=torch.int64), x, torch.zeros_like(x), torch.full_like(x, radius), x * 0 + 1, x * 0 + 1
    )


def test_blobs_that_lie_in_each_other_are_pushed_apart_to_what_they_may():
    pushed = apart(discs([0.0, 4.0, 30.0], [0, 0, 0]), torch.tensor([0.2, 0.2, 0.0]), torch.tensor([3]))
    assert torch.allclose(pushed.x[1] - pushed.x[0], torch.tensor(8.0), atol=0.05)
    assert torch.allclose(pushed.x[:2].mean(), torch.tensor(2.0))
    assert pushed.x[2] == 30


def test_of_two_blobs_the_lower_overlap_counts():
    pushed = apart(discs([0.0, 4.0], [0, 0]), torch.tensor([0.9, 0.0]), torch.tensor([2]))
    assert torch.allclose(pushed.x[1] - pushed.x[0], torch.tensor(10.0), atol=0.05)


def test_blobs_of_other_images_do_not_push():
    both = discs([0.0, 4.0], [0, 1])
    assert apart(both, torch.zeros(2), torch.tensor([1, 1])).x.equal(both.x)
    none = discs([], [])
    assert len(apart(none, torch.zeros(0), torch.tensor([0, 0]))) == 0
