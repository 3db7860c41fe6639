"""The settings that a recording is measured again with: as recorded, with what was changed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from monitor.errors import SettingError
from monitor.settings import Settings, Table, as_table, parse


def changed(settings: Settings, changes: Sequence[str]) -> Settings:
    """The settings with "section.key=value" in them; a cell is named `cells.NAME`. Slices are not
    recorded again. Raises SettingError."""
    table = as_table(settings)
    cells = table["cells"] = {cell["name"]: cell for cell in table["cells"]}
    for change in changes:
        key, sign, text = change.partition("=")
        path = key.strip().split(".")
        if not (sign and all(path)):
            todo = "as in --set cells.A.foil_thickness_um=125"
            raise SettingError("--set", got=change, expected="key=value", todo=todo)
        _put(table, path, _value(text.strip()))
    if [cell["name"] for cell in cells.values()] != list(cells):
        raise SettingError(
            "--set cells",
            got=changes,
            expected="the recorded names",
            todo="leave names as they are",
        )
    table["experiment"]["record_slices"] = False
    return parse(table | {"cells": list(cells.values())})


def _put(table: Table, path: list[str], value: Any) -> None:
    """Puts a value into nested sections; those of the cells are by their names."""
    here: Any = table
    for depth, part in enumerate(path[:-1]):
        if depth == 1 and path[0] == "cells" and part not in here:
            expected = f"a cell of the recording ({', '.join(here)})"
            todo = "write cells.NAME.key"
            raise SettingError(f"--set {'.'.join(path)}", got=part, expected=expected, todo=todo)
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            what = f"--set {'.'.join(path)}"
            raise SettingError(what, got=part, expected="a section", todo="check the key")
    if path[0] == "cells" and len(path) < 3:
        what = f"--set {'.'.join(path)}"
        raise SettingError(what, got=path[-1], expected="cells.NAME.key", todo="name cell and key")
    here[path[-1]] = value


def _value(text: str) -> Any:
    """As TOML has it; otherwise a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
