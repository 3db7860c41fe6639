"""Tasks of an Ewoks workflow (https://ewoks.readthedocs.io): a recording is measured again, and
reported. Ewoks finds them by the entry point `ewoks.tasks.class`."""

from __future__ import annotations

from pathlib import Path

from ewokscore import Task


class Reprocess(  # type: ignore[call-arg]
    Task,  # type: ignore[misc]
    input_names=["experiment"],
    optional_input_names=["settings", "out"],
    output_names=["experiment"],
):
    """Measures a recorded experiment again, as `pitwatch reprocess` does.

    Inputs: `experiment`, folder of the recording; `settings`, a list of changed settings such as
    "cells.A.foil_thickness_um=125"; `out`, the folder in which the new recording is written, by
    default that of the old one. Output: `experiment`, folder of the new recording. Raises
    SettingError, RecordingError, MissingSoftware.
    """

    def run(self) -> None:
        """Called by Ewoks."""
        from monitor.reprocess.measure import run_reprocess

        made = run_reprocess(
            Path(self.inputs.experiment),
            changes=list(self.get_input_value("settings", None) or []),
            scheduler=None,
            out=_folder(self.get_input_value("out", None)),
            say=_quiet,
        )
        self.outputs.experiment = str(made)


class Report(  # type: ignore[call-arg]
    Task,  # type: ignore[misc]
    input_names=["experiment"],
    optional_input_names=["out"],
    output_names=["numbers", "figures"],
):
    """Makes the table and the figures of the paper from a recorded experiment, as `pitwatch report`
    does.

    Inputs: `experiment`, folder of the recording; `out`, the folder for the figures, by default
    `report/` in the recording. Outputs: `numbers`, what `pitwatch report --json` prints; `figures`,
    the folder. Raises RecordingError.
    """

    def run(self) -> None:
        """Called by Ewoks."""
        from monitor.report.build import report

        experiment = Path(self.inputs.experiment)
        out = _folder(self.get_input_value("out", None)) or experiment / "report"
        self.outputs.numbers = report(experiment, out=out, as_json=True)
        self.outputs.figures = str(out)


def _folder(path: str | None) -> Path | None:
    return Path(path) if path else None


def _quiet(text: str) -> None:
    """Ewoks reports progress by itself."""
