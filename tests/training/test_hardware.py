"""Hardware: batch size of small networks, precision of inference, and inputs on a GPU."""

import pytest
import torch

from synth2real.errors import InputError
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


def test_a_system_that_does_not_tell_the_processor_flags_has_the_portable_precision(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "no")
    hardware._cpu_flags.cache_clear()
    assert Hardware().applying() == Hardware()
    hardware._cpu_flags.cache_clear()


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


def test_a_device_is_taken_by_its_name_and_one_that_is_absent_is_refused(monkeypatch) -> None:
    assert Hardware.detect("cpu").device == torch.device("cpu")
    for wrong in ("gpu", "cuda:9", "", "cpu:0"):
        with pytest.raises(
            InputError, match=rf"device '{wrong}' .--device.: this machine has cpu.* expected one of them"
        ):
            Hardware.detect(wrong)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert hardware.devices()[:4] == ["cpu", "cuda", "cuda:0", "cuda:1"]
    assert Hardware.detect().device == torch.device("cuda")
    assert Hardware.detect("cuda:1") == Hardware(torch.device("cuda:1"), "bfloat16")
    assert Hardware.detect("cpu").device.type == "cpu"
    kept = Hardware(torch.device("cuda:1"), "float32")
    assert Hardware.of(kept.settings()) == kept
    assert Hardware.of({**kept.settings(), "device": "cuda:7"}) == Hardware.detect()
