"""Comments of the example settings: each is the text of its setting.

`python -m monitor.settings.comments config/*.toml` writes them into the files.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from monitor.settings.page import meanings, sections
from monitor.settings.section import Section

SETTING = re.compile(r"(?P<start>(?:# )?(?P<key>\w+) = .*?)(?P<space> +)# (?P<note>set\b)?.*")
BARE = re.compile(r"(?P<key>\w+) = [^#]*")
CONTINUED = re.compile(r" {8,}#")
SECTION = re.compile(r"(?:# )?(\[\[?[\w.]+\]\]?)")
WIDTH = 120


def commented(text: str) -> str:
    """The file with each setting's text beside it, after the word `set` if that is there: the
    value is then to be set, or is not the default."""
    known = {title: _texts(section) for title, section in sections()}
    found: list[str] = []
    section, column = "", 0
    for line in text.splitlines():
        if match := SECTION.match(line):
            section = match[1]
        if CONTINUED.match(line):
            continue
        setting = SETTING.fullmatch(line)
        key = setting or BARE.fullmatch(line)
        meaning = known.get(section, {}).get(key["key"], "") if key else ""
        if not meaning:
            found.append(line)
            continue
        start = setting["start"] if setting else line
        column = len(start + setting["space"]) if setting else max(column, len(start) + 2)
        note = "set: " if setting and setting["note"] else ""
        wrapped = textwrap.wrap(
            note + meaning, WIDTH - column - 2, break_long_words=False, break_on_hyphens=False
        )
        found.append(f"{start.ljust(column)}# {wrapped[0]}")
        found += [f"{'':{column}}# {more}" for more in wrapped[1:]]
    return "\n".join(found) + "\n"


def _texts(section: type[Section]) -> dict[str, str]:
    """The text of each setting, with the words that are allowed where it does not name them."""
    schema, found = section.model_json_schema()["properties"], meanings(section)
    for key, text in found.items():
        words = [str(word) for word in schema.get(key, {}).get("enum", ())]
        if not all(re.search(rf"\b{word}\b", text) for word in words):
            found[key] = f"{text} One of {', '.join(words)}."
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(commented(path.read_text("utf-8")), "utf-8")
