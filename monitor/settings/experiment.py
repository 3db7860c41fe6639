"""All settings: each section, and the experiment, its schedule and the simulated beamline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.settings.cells import CellSettings
from monitor.settings.channels import Channels, ChannelSettings, twice
from monitor.settings.connections import (
    FeedSettings,
    RequestSettings,
    ResultSettings,
    SecuritySettings,
)
from monitor.settings.decisions import OnsetSettings, PitSettings, WatchSettings
from monitor.settings.section import Positive, Section

CompressSlices = Literal["auto", "on", "off"]


class ExperimentSettings(Section):
    """What is recorded, and where."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "demo"
    """Folder of the recording, under `data_dir`."""
    data_dir: Path = Path("runs")
    """Where recordings are written: on a disk with space for the slices."""
    second_dir: str = ""
    """Folder on another disk for data that the first disk refuses; empty: none."""
    record_slices: Annotated[bool, Field(strict=True)] = True
    """Keep the slices: needed for cross-sections, `replay` and `reprocess`."""
    compress_slices: CompressSlices = "auto"
    """Compress recorded slices; `auto`: if compression saves a quarter of the first eight slices
    of a scan."""


class ScheduleSettings(Section):
    """When scans are expected."""

    period_s: Positive = 1800.0
    """Interval between two periodic scans (cell time)."""


class SimulatorSettings(Section):
    """The simulated beamline; read by `demo` and `simulate` only."""

    scenario: str = "paper-0.55"
    """`paper-0.55`, `paper-0.23`, `first-charge`, `second-cycle` or `two-cells`."""
    scans: Annotated[int, Field(gt=0, strict=True)] | None = None
    """Stop after this many scans; by default at the end of the scenario."""
    speed: Positive = 600.0
    """Seconds of cell time in one second."""
    size: Annotated[int, Field(ge=64, strict=True)] = 384
    """Side of the field of view in pixels."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 1
    """Seed of the random numbers: each number gives a different cell."""
    cnr: Positive = 3.0
    """Contrast of electrolyte to lithium, divided by the noise of one voxel."""
    slices: str = "tcp://127.0.0.1:5601"
    """XPUB that the simulated detector binds."""
    resend: str = "tcp://127.0.0.1:5602"
    """ROUTER that sends lost slices again on request; empty: none."""
    requests: str = "tcp://127.0.0.1:5603"
    """ROUTER that the simulated acquisition binds."""
    documents_in: str = "tcp://127.0.0.1:5577"
    """Input address of the simulated cycler's bluesky proxy."""
    documents_out: str = "tcp://127.0.0.1:5578"
    """Output address of that proxy."""
    volumes: str = ""
    """Folder for an HDF5 file of each scan, for Tiled; empty: none."""


class Settings(Section):
    """Everything that can be set. Every key has a default."""

    experiment: ExperimentSettings = ExperimentSettings()
    feeds: FeedSettings = FeedSettings()
    requests: RequestSettings = RequestSettings()
    results: ResultSettings = ResultSettings()
    security: SecuritySettings = SecuritySettings()
    schedule: ScheduleSettings = ScheduleSettings()
    pits: PitSettings = PitSettings()
    onset: OnsetSettings = OnsetSettings()
    watch: WatchSettings = WatchSettings()
    channels: Channels = Field(default_factory=dict)
    cells: tuple[CellSettings, ...] = (CellSettings(name="A"),)
    simulator: SimulatorSettings = SimulatorSettings()

    @model_validator(mode="after")
    def _check(self) -> Settings:
        names = [cell.name for cell in self.cells]
        if len(set(names)) != len(names):
            raise ValueError(f"a different name for each cell, not {', '.join(names)}")
        if not names:
            raise ValueError("at least one [[cells]] is needed")
        for folder in self.feeds.folders:
            if folder.cell not in names:
                raise ValueError(
                    f"one of the cells {', '.join(names)} in each [[feeds.folders]], not "
                    f"{folder.cell}"
                )
        for cell in self.cells:
            if name := twice(self.channels, cell.channels):
                raise ValueError(
                    f"channel {name} either in [channels] or in [cells.channels] of cell "
                    f"{cell.name}, not in both"
                )
        return self

    def cell(self, name: str) -> CellSettings | None:
        """The settings of the cell `name`, or None if it is not configured."""
        return next((cell for cell in self.cells if cell.name == name), None)

    def channels_of(self, name: str) -> dict[str, tuple[str, ChannelSettings]]:
        """The channels of the cell `name`, by their names: those of all cells, which belong to
        cell "", then its own."""
        cell = self.cell(name)
        own = {} if cell is None else cell.channels
        common = {channel: ("", one) for channel, one in self.channels.items()}
        return common | {channel: (name, one) for channel, one in own.items()}

    @property
    def all_channels(self) -> list[tuple[str, str, ChannelSettings]]:
        """(cell, name, settings) of every channel; cell "" of those of all cells."""
        found = [("", name, one) for name, one in self.channels.items()]
        return found + [(c.name, name, one) for c in self.cells for name, one in c.channels.items()]
