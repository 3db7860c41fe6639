"""Settings: defaults, the files that are shipped, and one clear line for whatever is wrong."""

import math
import tomllib
from pathlib import Path

import pytest
import tomli_w
from pydantic import ValidationError

from monitor.errors import SettingError
from monitor.settings import CellSettings, Settings, as_table, folder_rules, load, parse

CONFIG = Path(__file__).parents[1] / "config"
DEFAULTS = as_table(Settings())


def refusal(table):
    with pytest.raises(SettingError) as caught:
        parse(table)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            {"feeds": {"documents": "tcp://a:1"}},
            "feeds.documents: got 'tcp://a:1', expected a list",
        ),
        ({"feeds": 3}, "feeds: got 3, expected a section"),
        ({"cells": [3]}, "cells.0: got 3, expected a section"),
        ({"cells": [{"name": 3}]}, "cells.0.name: got 3, expected text in quotes"),
        ({"channels": {"ring": 3}}, "channels.ring: got 3, expected a section"),
    ],
)
def test_a_value_of_the_wrong_kind_is_said_in_the_words_of_toml(table, expected):
    assert expected in refusal(table)


def marked(name):
    """Keys of a config file whose comment says that they are no default."""
    keys, section = set(), ""
    for line in (CONFIG / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]# ").split("]")[0]
        elif "set:" in line or "no default" in line or "is asked" in line:
            keys.add((section, line.split("=")[0].strip(" #")))
    return keys


def differences(name):
    """Keys of a config file that are not their default: {(section, key)}."""
    found = set()
    for section, keys in tomllib.loads((CONFIG / name).read_text()).items():
        default = DEFAULTS[section]
        if section == "cells":
            (keys,), (default,) = keys, default
        for key, value in keys.items():
            if key != "grey_levels" and default.get(key) != value:
                found.add((section, key))
    return found - {("cells", "electrode_diameter_mm")}


FOLDER = {"cell": "A", "paths": ["recs"]}


@pytest.mark.parametrize("name", ["simulated.toml", "id15a.toml"])
def test_the_shipped_files_load_and_say_where_they_differ(name):
    settings = load(CONFIG / name)
    assert settings.cells[0].area_cm2 == pytest.approx(CellSettings(name="A").area_cm2)
    assert differences(name) <= marked(name)


@pytest.mark.parametrize("name", ["simulated.toml", "id15a.toml"])
def test_the_shipped_files_name_every_key(name):
    text = (CONFIG / name).read_text()
    for section, values in Settings.model_fields.items():
        kind = values.annotation
        kind = getattr(kind, "__args__", (kind,))[0]
        if section == "channels":  # of any name
            assert "\n[channels]" in text and "\n[cells.channels]" in text
            continue
        for key in kind.model_fields:
            named = (f"\n{key} =", f"# {key} =", f"{section}.{key}]", f"# or {key}")
            assert any(name in text for name in named), (section, key)


def test_everything_has_a_default():
    assert parse({}) == Settings()
    assert Settings().cells[0].area_cm2 == pytest.approx(math.pi / 4 * 0.25)


def test_settings_survive_the_way_through_toml():
    settings = load(CONFIG / "id15a.toml")
    assert parse(tomllib.loads(tomli_w.dumps(as_table(settings)))) == settings


@pytest.mark.parametrize("resend", ["auto", "off", [], ["tcp://127.0.0.1:5602"]])
def test_where_lost_slices_are_asked_for_again_is_a_word_or_a_list(resend):
    settings = parse({"feeds": {"resend": resend}})
    assert as_table(settings)["feeds"]["resend"] == resend
    assert parse(tomllib.loads(tomli_w.dumps(as_table(settings)))) == settings


def test_folders_are_below_the_settings_file_and_survive_the_way_through_toml(tmp_path):
    cells = [{"name": "A"}, {"name": "B"}]
    other = {"cell": "B", "paths": ["recs", "/data"], "state": "sent.json", "first_slice": 0}
    path = tmp_path / "my.toml"
    path.write_text(tomli_w.dumps({"cells": cells, "feeds": {"folders": [FOLDER, other]}}))
    settings = load(path)
    first, second = settings.feeds.folders
    assert first.paths == (tmp_path / "recs",) and first.state is None
    assert second.paths == (tmp_path / "recs", Path("/data"))
    assert second.state == tmp_path / "sent.json"
    assert settings.feeds.slices == (), "the default address, at which nobody publishes"
    assert parse(tomllib.loads(tomli_w.dumps(as_table(settings)))) == settings


def test_options_of_publish_folder_are_checked_as_the_settings_are():
    assert folder_rules(slices=3, delay_s=0.0).slices == 3
    for key, value, option in (("poll_s", 0.0, "--poll"), ("first_slice", -1, "--first-slice")):
        with pytest.raises(SettingError, match=rf"^{option}: got {value}, expected greater than"):
            folder_rules(**{key: value})


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().experiment.name = "other"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"feed": {}}, "'feeds'"),
        ({"feeds": {"slice": []}}, "'slices'"),
        ({"cells": [{"name": "A", "foil_thicknes_um": 1}]}, "'foil_thickness_um'"),
        ({"cells": [{"name": "A", "grey_levels": {"litium": 1.0}}]}, "'lithium'"),
        ({"pits": {"min_dept_um": 3}}, "'min_depth_um'"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(table, said):
    text = refusal(table)
    assert "a known key" in text
    assert said in text


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"schedule": {"period_s": "soon"}}, "schedule.period_s"),
        ({"schedule": {"period_s": -1}}, "schedule.period_s"),
        ({"schedule": {"period_s": float("inf")}}, "schedule.period_s"),
        ({"feeds": {"slices": "tcp://x"}}, "feeds.slices"),
        ({"feeds": {"document_codec": "pickle"}}, "feeds.document_codec"),
        ({"feeds": {"resend": "always"}}, "feeds.resend"),
        ({"feeds": {"resend": ["tcp://127.0.0.1:1", 2]}}, "feeds.resend"),
        ({"feeds": {"resend": True}}, "feeds.resend"),
        ({"feeds": 5}, "feeds"),
        ({"feeds": {"folders": [{"paths": ["recs"]}]}}, "feeds.folders.0.cell"),
        ({"feeds": {"folders": [{"cell": "A", "paths": []}]}}, "feeds.folders.0.paths"),
        ({"feeds": {"folders": [FOLDER | {"slices": 0}]}}, "feeds.folders.0.slices"),
        ({"feeds": {"folders": [FOLDER | {"slice": 9}]}}, "feeds.folders.0.slice"),
        ({"feeds": {"folders": [FOLDER, FOLDER]}}, "feeds"),
        ({"feeds": {"folders": [FOLDER | {"cell": "B"}]}}, "settings"),
        ({"experiment": {"name": "../up"}}, "experiment.name"),
        ({"experiment": {"record_slices": "perhaps"}}, "experiment.record_slices"),
        ({"requests": {"backend": "pigeon"}}, "requests.backend"),
        ({"cells": [{}]}, "cells.0.name"),
        ({"cells": []}, "settings"),
        ({"cells": [{"name": "A"}, {"name": "A"}]}, "settings"),
        ({"cells": [{"name": "A/B"}]}, "cells.0.name"),
        ({"cells": [{"name": "A", "layers": ["lithium", "collector"]}]}, "cells.0"),
        ({"cells": [{"name": "A", "layers": ["moss"]}]}, "cells.0.layers.0"),
        ({"cells": [{"name": "A", "stripping_current_sign": 0}]}, "cells.0.stripping_current_sign"),
        (
            {"cells": [{"name": "A", "electrode_diameter_mm": 5, "electrode_area_cm2": 0.2}]},
            "cells.0",
        ),
        ({"cells": [{"name": "A", "keys": {"voltage": "v"}}]}, "cells.0.keys.voltage"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(table, where):
    text = refusal(table)
    assert text.startswith(where)
    assert "expected" in text
    assert "got" in text


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_one_line(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingError) as caught:
            load(path)
        assert str(path) in str(caught.value)


def test_the_order_of_layers_says_which_way_is_up():
    cells = {
        ("collector", "lithium", "electrolyte"): (False, True),
        ("electrolyte", "lithium", "collector"): (True, True),
        ("lithium", "electrolyte"): (False, False),
        ("electrolyte", "lithium"): (True, False),
    }
    for layers, expected in cells.items():
        cell = CellSettings(name="A", layers=layers)
        assert (cell.reversed_z, cell.has_collector) == expected


def test_a_cell_is_found_by_its_name():
    settings = parse({"cells": [{"name": "A"}, {"name": "B", "electrode_area_cm2": 0.3}]})
    assert settings.cell("B").area_cm2 == 0.3
    assert settings.cell("C") is None


@pytest.mark.parametrize(
    "table",
    [
        {"schedule": {"period_s": True}},
        {"cells": [{"name": "A", "foil_thickness_um": "135"}]},
        {"experiment": {"record_slices": "yes"}},
        {"onset": {"min_pits": 1.5}},
    ],
)
def test_a_value_of_another_type_is_not_bent_into_shape(table):
    with pytest.raises(SettingError):
        parse(table)


# --- channels -------------------------------------------------------------------------------------


def test_a_channel_is_a_key_or_a_table_of_all_cells_or_of_one():
    table = {"key": "sr", "stream": "baseline", "unit": "mA", "title": "Ring current"}
    cells = [{"name": "A", "channels": {"temperature": "tc_1"}}, {"name": "B"}]
    settings = parse({"channels": {"ring": table}, "cells": cells})
    known = {name: settings.channels_of(name) for name in "AB"}
    assert list(known["A"]) == ["ring", "temperature"] and list(known["B"]) == ["ring"]
    assert known["A"]["ring"][0] == "" and known["A"]["temperature"][0] == "A"
    assert known["A"]["temperature"][1].key == "tc_1"
    assert parse(tomllib.loads(tomli_w.dumps(as_table(settings)))) == settings


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ({"ring": {"key": "a", "strem": "b"}}, "did you mean 'stream'"),
        ({"ring": {"unit": "mA"}}, "channels.ring.key"),
        ({"ring": ""}, "channels.ring.key"),
        ({"ring current": "a"}, "pattern"),
        ({"1ring": "a"}, "pattern"),
        ({"ring": {"key": "a", "unit": "m\u202eA"}}, "printable"),
        ({"ring": {"key": "a", "title": "t" * 41}}, "at most 40"),
        ({f"c{n}": "a" for n in range(51)}, "at most 50"),
    ],
)
def test_a_wrong_channel_is_named(channels, expected):
    assert expected in refusal({"channels": channels})
    assert expected in refusal({"cells": [{"name": "A", "channels": channels}]})


def test_a_channel_of_all_cells_is_not_declared_again_in_one():
    text = refusal({"channels": {"r": "a"}, "cells": [{"name": "A", "channels": {"r": "b"}}]})
    assert "channel r" in text and "cell A" in text
