"""The reference page of the alarms.

`python -m monitor.gui.wording.page > docs/reference/alarms.md`
"""

from __future__ import annotations

from monitor.gui.wording.alarms import CONDITIONS, MISSING_SLICES, Help

HEAD = """# Alarms

All alarms, with the explanation that the screen shows when an alarm is opened. This page is
generated from the table in `monitor/gui/wording`, by
`python -m monitor.gui.wording.page > docs/reference/alarms.md`.

An [event](events.md) `alarm` reports the `condition` that has begun, and `alarm_ended` reports that
it is over. [When an alarm is raised](watchdog.md) gives the limits at which each begins and ends.
An alarm about missing slices has no condition, because it cannot end.

| condition | what it means | what to do |
|---|---|---|
"""


def page() -> str:
    """The whole page, Markdown."""
    rows = [_row(f"`{name}`", help_) for name, help_ in CONDITIONS.items()]
    return HEAD + "".join([*rows, _row("missing slices", MISSING_SLICES)])


def _row(name: str, help_: Help) -> str:
    return f"| {name} | {help_.meaning} | {help_.todo} |\n"


if __name__ == "__main__":
    print(page(), end="")
