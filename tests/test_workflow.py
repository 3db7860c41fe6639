"""An Ewoks workflow measures a recording again and reports the result."""

from pathlib import Path

import pytest
from ewokscore import execute_graph
from ewokscore.task_discovery import discover_all_tasks

from monitor.errors import RecordingError
from monitor.recording.read.experiment import open_experiment
from monitor.report.build import report
from tests.core.experiment import experiment
from tests.reprocess.test_measure import record

AGAIN, REPORT = "monitor.workflow.Reprocess", "monitor.workflow.Report"


def workflow(**inputs: object) -> dict[str, object]:
    """Reprocess, then report; `inputs` of the first."""
    given = [{"name": name, "value": value} for name, value in inputs.items()]
    return {
        "graph": {"id": "again"},
        "nodes": [
            {
                "id": "again",
                "task_type": "class",
                "task_identifier": AGAIN,
                "default_inputs": given,
            },
            {"id": "report", "task_type": "class", "task_identifier": REPORT},
        ],
        "links": [
            {
                "source": "again",
                "target": "report",
                "data_mapping": [{"source_output": "experiment", "target_input": "experiment"}],
            }
        ],
    }


def test_ewoks_finds_the_tasks() -> None:
    found = {task["task_identifier"]: task for task in discover_all_tasks(task_type="class")}
    assert found[AGAIN]["required_input_names"] == ["experiment"]
    assert sorted(found[REPORT]["output_names"]) == ["figures", "numbers"]


@pytest.mark.slow
def test_a_recording_is_measured_again_and_reported(tmp_path: Path) -> None:
    before = record(tmp_path, experiment())
    changed = ["cells.A.foil_thickness_um=125"]
    told = execute_graph(
        workflow(experiment=str(before), settings=changed), outputs=[{"all": True}]
    )
    made = open_experiment(Path(told["experiment"]))
    assert made.path != before
    assert made.settings.cell("A").foil_thickness_um == 125
    assert told["numbers"] == report(made.path, as_json=True)
    assert {path.suffix for path in Path(told["figures"]).iterdir()} == {".png"}


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        execute_graph(workflow(experiment=str(tmp_path)))
    assert isinstance(caught.value.__cause__, RecordingError)
