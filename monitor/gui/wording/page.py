"""The reference page of the alarms.

`python -m monitor.gui.wording.page > docs/reference/alarms.md`
"""

from __future__ import annotations

from monitor.gui.wording.alarms import CONDITIONS, MISSING_SLICES, Help

HEAD = """# Alarms

Every alarm, as the screen explains it when it is opened. This page is made from the table in
`monitor/gui/wording`, by `python -m monitor.gui.wording.page > docs/reference/alarms.md`.

An alarm is an [event](events.md) `alarm` with the `condition` that has begun; `alarm_ended` says
that it is over. Begin and end of each, and their limits: [When an alarm is raised](watchdog.md). An
alarm about missing slices has no condition, as it cannot end.

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
