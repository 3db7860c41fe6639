"""Settings from a TOML file or a table; one line says what is wrong in it and what to do."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from monitor.errors import SettingError
from monitor.settings.cells import CellSettings
from monitor.settings.experiment import Settings
from monitor.settings.folders import FolderRules, FolderSettings, option
from monitor.settings.section import Section

Table = dict[str, Any]
"""Settings as TOML has them, nested, before they are checked."""
EXPECTED = {
    "tuple_type": "a list in brackets",
    "list_type": "a list in brackets",
    "model_type": "a section",
    "dict_type": "a section",
    "string_type": "text in quotes",
    "bool_type": "true or false",
}
"""What is expected, by pydantic's type of the error, in the words of TOML."""


def load(path: Path) -> Settings:
    """Settings from a TOML file. Raises SettingError, one line, for whatever is wrong in it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingError(
            "settings file", got=str(path), expected="a TOML file", todo="check the path"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(
            f"settings file {path}",
            got=str(error),
            expected="readable TOML",
            todo="correct the file",
        ) from None
    settings = parse(table)
    cells = tuple(_pictures_beside(path, cell) for cell in settings.cells)
    folders = tuple(_paths_beside(path, folder) for folder in settings.feeds.folders)
    feeds = settings.feeds.model_copy(update={"folders": folders})
    return settings.model_copy(update={"cells": cells, "feeds": feeds})


def _paths_beside(path: Path, folder: FolderSettings) -> FolderSettings:
    """Relative paths of folders count from the folder of the settings' file."""
    paths = tuple((path.parent / one).absolute() for one in folder.paths)
    state = None if folder.state is None else (path.parent / folder.state).absolute()
    return folder.model_copy(update={"paths": paths, "state": state})


def _pictures_beside(path: Path, cell: CellSettings) -> CellSettings:
    """A relative path of a picture counts from the folder of the settings' file."""
    if cell.boundaries is None:
        return cell
    image = str((path.parent / cell.boundaries.image).resolve())
    return cell.model_copy(
        update={"boundaries": cell.boundaries.model_copy(update={"image": image})}
    )


def parse(table: Table) -> Settings:
    """Settings from a nested dictionary. Raises SettingError for the first thing wrong in it."""
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise _worded(error) from None


def folder_rules(**values: object) -> FolderRules:
    """What options of `publish-folder` say, by the keys of the settings. Raises SettingError for
    the first option that is wrong."""
    try:
        return FolderRules.model_validate(values)
    except ValidationError as error:
        raise _worded(error, option) from None


def as_table(settings: Settings) -> Table:
    """The settings as a nested dictionary that TOML can hold: None is left out."""
    return settings.model_dump(mode="json", exclude_none=True)


def _worded(error: ValidationError, named: Callable[[str], str] = str) -> SettingError:
    """`named`: how the reader knows a key."""
    first = error.errors()[0]
    where = named(".".join(str(part) for part in first["loc"])) or "settings"
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _known_keys(first["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        hint = f"did you mean {near[0]!r}?" if near else "remove it"
        return SettingError(where, got=key, expected="a known key", todo=hint)
    if first["type"] == "missing":
        return SettingError(where, got=None, expected="a value", todo="add the setting")
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = EXPECTED.get(first["type"], expected)
    return SettingError(where, got=first["input"], expected=expected, todo="correct the setting")


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    section: Any = Settings
    is_name = False
    for part in location:
        if is_name or isinstance(part, int):  # of one of several sections
            is_name = False
            continue
        annotation = section.model_fields[part].annotation
        section = next(
            (t for t in (annotation, *getattr(annotation, "__args__", ())) if _is_section(t)), None
        )
        if section is None:
            return []
        is_name = get_origin(annotation) is dict
    return list(section.model_fields)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
