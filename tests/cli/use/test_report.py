"""`synth2real report`: what it says of folders that it cannot make a page of."""

import pytest
import yaml

from helpers import refused


def test_a_run_that_names_no_data_is_one_message(synth2real, tmp_path):
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"route": {}, "steps": 3}))
    refused(synth2real("report", tmp_path), "names no source and no target", "synth2real train")
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"source": "digits", "target": "photos", "seed": 0}))
    refused(synth2real("report", tmp_path), "names no route; it is an aggregate", "the chosen one of `compare`")
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"source": "digits", "routes": {}}))
    refused(synth2real("report", tmp_path), "the folder of a comparison", f"Use {tmp_path / 'chosen'}")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("arguments", [(), ("--out", "page.txt")])
def test_what_is_no_run_or_no_page_is_one_message(synth2real, tmp_path, arguments):
    if arguments:
        (tmp_path / "settings.yaml").write_text("{}")
    refused(synth2real("report", tmp_path, *arguments), "an HTML file" if arguments else "found no settings.yaml")
