"""`synth2real predict`: the warning about answers of one class."""

import re

from helpers import picture, save


def test_a_folder_of_one_class_is_answered_with_a_warning(synth2real, tmp_path, run, photos):
    for i in range(12):
        save(tmp_path / "same" / f"{i}.png", picture(0))
    code, _, err = synth2real("predict", run, tmp_path / "same", "--out", tmp_path / "same.csv")
    assert code == 0
    assert re.match(r"warning: 12 of 12 images are '(dark|light)'. If they hold other classes, too, do not", err)
    assert len((tmp_path / "same.csv").read_text().splitlines()) == 13
