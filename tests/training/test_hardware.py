"""Hardware: batch size of small networks, precision of inference, and inputs on a GPU."""

import torch

from synth2real.training import hardware
from synth2real.training.hardware import Hardware


def test_batches_fit_the_cache_of_a_processor_and_are_larger_on_an_accelerator() -> None:
    assert Hardware().chunk(28 * 28) == 41
    assert Hardware().chunk(1024 * 1024) == 1
    assert Hardware(torch.device("cuda")).chunk(28 * 28) > 1000


def test_a_trained_network_is_applied_in_bfloat16_wherever_the_processor_has_it(monkeypatch) -> None:
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset({"avx2"}))
    assert Hardware().applying() == Hardware()
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset({"avx2", "avx512_bf16"}))
    assert Hardware().applying() == Hardware(precision="bfloat16")
    assert Hardware(torch.device("cuda"), "float32").applying().precision == "float32"


def test_inputs_are_copied_to_a_gpu_with_enough_free_memory(monkeypatch) -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    assert Hardware().at_hand(images) is images
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * images.nbytes - 1, 10**9))
    assert Hardware(torch.device("cuda")).at_hand(images) is images, (
        "inputs larger than a quarter of the free memory are not copied"
    )
    seen = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * images.nbytes, 10**9))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: seen.append(device) or self)
    Hardware(torch.device("cuda")).at_hand(images)
    assert seen == [torch.device("cuda")]
