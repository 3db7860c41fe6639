"""The reference page of the settings.

`python -m monitor.settings.page > docs/reference/settings.md`
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic_core import to_jsonable_python

from monitor.settings.cells import BoundarySettings, CellSettings, GreyLevels
from monitor.settings.channels import ChannelSettings
from monitor.settings.connections import default_receive_MB, default_slice_Mpx
from monitor.settings.experiment import Settings
from monitor.settings.folders import FolderSettings
from monitor.settings.section import Section

HEAD = """# Settings

Every key of the settings file. This page is generated from the models in `monitor/settings`, by
`python -m monitor.settings.page > docs/reference/settings.md`.

`pitwatch config simulated` and `pitwatch config id15a` print a file to start from. Every key may be
left out: it then has its default, and `–` means not set. If a key is unknown or a value is not
allowed, the program does not start, and prints one line that names it. The engine reads its
settings once, when it starts.
"""
UNITS = {
    "_kGy_per_hour": "kGy/h", "_per_hour": "1/h", "_kGy": "kGy",
    "_mA_cm2": "mA/cm²", "_mAh": "mA·h",
    "_um_h": "µm/h", "_um2": "µm²", "_um": "µm", "_mm": "mm", "_cm2": "cm²", "_s": "s", "_h": "h",
    "_MB": "MB", "_GB": "GB", "_Mpx": "10⁶ pixels",
}  # fmt: skip
"""By the end of a key; the longer end stands first."""
BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
CHANNELS = "[channels.NAME], [cells.channels.NAME]"
BELOW_CELLS: tuple[tuple[str, type[Section]], ...] = (
    ("[cells.grey_levels]", GreyLevels),
    ("[cells.boundaries]", BoundarySettings),
)


def page() -> str:
    """The whole page, Markdown."""
    return HEAD + "".join(f"\n## {title}\n\n{_table(kind)}" for title, kind in sections())


def sections() -> Iterator[tuple[str, type[Section]]]:
    """All sections with their heading in TOML, in the order of the settings."""
    for name, field in Settings.model_fields.items():
        if name == "cells":
            yield CHANNELS, ChannelSettings
            yield "[[cells]]", CellSettings
            yield from BELOW_CELLS
        elif inspect.isclass(field.annotation) and issubclass(field.annotation, Section):
            yield f"[{name}]", field.annotation
        if name == "feeds":
            yield "[[feeds.folders]]", FolderSettings


def meanings(section: type[Section]) -> dict[str, str]:
    """What is below each field in the code, by its name; those of a base first."""
    (base,) = section.__bases__
    before = meanings(base) if base is not Section else {}
    (body,) = (
        node.body
        for node in ast.parse(textwrap.dedent(inspect.getsource(section))).body
        if isinstance(node, ast.ClassDef)
    )
    return before | {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def _table(section: type[Section]) -> str:
    schema, meaning = section.model_json_schema()["properties"], meanings(section)
    about = inspect.cleandoc(section.__doc__ or "")
    lines = [about, "", "| key | default | unit | allowed | meaning |", "|---|---|---|---|---|"]
    for key in section.model_fields:
        cells = (f"`{key}`", _default(section, key), _unit(key), _allowed(schema[key]))
        lines.append(f"| {' | '.join(cells)} | {meaning.get(key, '')} |")
    return "\n".join(lines) + "\n"


def _default(section: type[Section], key: str) -> str:
    field = section.model_fields[key]
    if field.default_factory in (default_receive_MB, default_slice_Mpx):
        return "depends on memory"  # of this machine, but the page is the same everywhere
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, Section):
        return "–"
    if isinstance(value, dict):
        pairs = (f"{name} = {json.dumps(text)}" for name, text in value.items())
        return f"`{{ {', '.join(pairs)} }}`" if value else "`{}`"
    return f"`{json.dumps(to_jsonable_python(value))}`"


def _unit(key: str) -> str:
    return next((unit for end, unit in UNITS.items() if key.endswith(end)), "")


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        forms = (_allowed(one) for one in schema["anyOf"] if one.get("type") != "null")
        return "; or ".join(filter(None, forms))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(_allowed(item) or item['type'] for item in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        least = f" of at least {schema['minItems']}" if "minItems" in schema else ""
        items = schema["items"]
        return f"list{least}: {_allowed(items) or items.get('type', 'sections')}"
    if "pattern" in schema:
        return f"`{schema['pattern']}`"
    if schema.get("type") == "boolean":
        return "`true`, `false`"
    bounds = " and ".join(
        f"{sign} {schema[name]}" for name, sign in BOUNDS.items() if name in schema
    )
    return f"integer, {bounds}" if schema.get("type") == "integer" else bounds


if __name__ == "__main__":
    print(page(), end="")
