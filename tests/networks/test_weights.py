"""Tensors from files that are damaged."""

import pytest
import torch
from safetensors.torch import save, save_file

from synth2real.errors import InputError
from synth2real.networks.weights import read_tensors


def test_tensors_are_read_as_they_were_written(tmp_path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    assert torch.equal(read_tensors(tmp_path / "a.safetensors", "weights")["a"], torch.ones(2))


def test_damaged_files_are_named_with_what_was_expected(tmp_path) -> None:
    file = tmp_path / "a.safetensors"
    whole = save({"a": torch.ones(2)})
    for damaged in (b"", b"nothing", whole[:-1], whole.replace(b"F32", b"F99")):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"^{file}: is damaged \(.*\), expected weights\. Train again$"):
            read_tensors(file, "weights. Train again")
    with pytest.raises(InputError, match=r"none\.safetensors: is damaged \(.*\), expected weights"):
        read_tensors(tmp_path / "none.safetensors", "weights")
