"""Which files of a folder are not announced as scans."""

from __future__ import annotations

import pytest

from monitor.sources.folder.announcement import is_of_detector

FIELDS = [
    "dark",
    "darks",
    "darkend",
    "DARK_0001",
    "flat_field",
    "Flat-fields",
    "flats/img",
    "white",
    "refHST",
    "ref0000",
    "flat_after",
    "scan_0001/refHST0000",
    "darkend0000",
    "bright_field",
]
VOLUMES = [
    "rec_dark",
    "white_cell",
    "flat_cell_0001",
    "darkness",
    "reference",
    "ref",
    "ref_0001",
    "ref_scan/rec",
    "whitewash_2",
    "scan_0001/rec",
    "cell_flat",
]


@pytest.mark.parametrize("name", FIELDS)
def test_dark_and_flat_fields_are_known_by_their_names(name: str) -> None:
    assert is_of_detector(name, "*")
    assert is_of_detector(name, "scan_*")


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes_whose_names_only_contain_such_words_are_sent(name: str) -> None:
    assert not is_of_detector(name, "*")


@pytest.mark.parametrize("pattern", ["dark*", "dark", "flats", "refHST*"])
def test_they_are_sent_if_they_are_asked_for(pattern: str) -> None:
    assert not is_of_detector("dark_0000", pattern)
