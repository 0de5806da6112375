import json

import numpy as np
import pytest
from PIL import Image

from synth2real.errors import InputError
from synth2real.simulate import Digits, load_parameters, render


@pytest.mark.parametrize("channels", [1, 3])
def test_folder_holds_what_sample_gives(tmp_path, channels):
    digits = Digits(channels=channels, ranges={"blur": 0.3})
    render(digits, 230, tmp_path / "a" / "out", seed=4)
    rows = [json.loads(line) for line in (tmp_path / "a" / "out" / "metadata.jsonl").read_text().splitlines()]
    made = digits.sample(230, 4)
    assert [row["file_name"] for row in rows] == [f"{i:06d}.png" for i in range(230)]
    assert [row["label"] for row in rows] == made.labels["label"].tolist()
    for i in (0, 199, 229):
        pixels = np.asarray(Image.open(tmp_path / "a" / "out" / f"{i:06d}.png"))
        expected = made.images[i].movedim(0, -1).squeeze(-1).numpy()
        assert np.array_equal(pixels, expected)
    ranges = load_parameters(tmp_path / "a" / "out" / "parameters.yaml")
    assert digits.with_ranges(**ranges).sample(5, 0).images.equal(digits.sample(5, 0).images)


def test_a_folder_with_files_is_refused_unless_overwritten(tmp_path):
    render(Digits(), 5, tmp_path, seed=0)
    with pytest.raises(InputError, match="the folder is not empty"):
        render(Digits(), 3, tmp_path, seed=0)
    (tmp_path / "000001-mine.png").touch()
    render(Digits(), 3, tmp_path, seed=0, overwrite=True)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "000000.png",
        "000001-mine.png",
        "000001.png",
        "000002.png",
    ]
    with pytest.raises(InputError, match="is a file, expected a folder"):
        render(Digits(), 3, tmp_path / "000000.png", seed=0)


def test_nothing_is_written_or_removed_where_the_count_is_wrong(tmp_path):
    with pytest.raises(InputError, match="asked to render 0 images"):
        render(Digits(), 0, tmp_path / "new", seed=0)
    assert not (tmp_path / "new").exists()
