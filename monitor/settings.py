"""Settings: TOML in, frozen and validated data classes out. An unknown key is refused by name."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from monitor import memory
from monitor.errors import SettingError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
LayerName = Literal["collector", "lithium", "electrolyte"]
Quantity = Literal["potential_V", "current_mA", "charge_mAh", "cycle", "step"]

DEFAULT_KEYS: dict[Quantity, str] = {
    "potential_V": "vmp_potential",
    "current_mA": "vmp_current",
    "charge_mAh": "vmp_charge",
    "cycle": "vmp_cycle",
    "step": "vmp_step",
}


RULES = (
    "new_pits", "growth", "current", "depth", "closure", "current_step", "moss_front",
)  # fmt: skip
CELL_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
QUIET_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExperimentSettings(_Section):
    """What is recorded, and where."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "demo"
    data_dir: Path = Path("runs")
    second_dir: str = ""
    record_slices: Annotated[bool, Field(strict=True)] = True


SLICE_MPX_PER_GB, LARGEST_SLICE_MPX = 2.6, 64.0
"""Maps take about 0.35 GB for each million pixels at the peak."""
SHARE_FOR_MESSAGES = 8


def default_slice_Mpx() -> float:
    """The largest slice that this machine has the memory for, millions of pixels."""
    return min(LARGEST_SLICE_MPX, round(memory.machine_bytes() / 1e9 * SLICE_MPX_PER_GB, 1))


def default_receive_MB() -> float:
    """What may wait of the feeds: an eighth of the memory, MB."""
    return round(memory.machine_bytes() / 1e6 / SHARE_FOR_MESSAGES, 0)


class FeedSettings(_Section):
    """Where slices and cycler documents come from (ZeroMQ endpoints)."""

    slices: tuple[str, ...] = ("tcp://127.0.0.1:5601",)
    slices_pull: str = ""
    documents: tuple[str, ...] = ("tcp://127.0.0.1:5578",)
    document_codec: Literal["msgpack", "json"] = "msgpack"
    receive_MB: Positive = Field(default_factory=default_receive_MB)
    receive_hwm: Annotated[int, Field(gt=0, strict=True)] | None = None
    reorder_memory_MB: Positive = 1024.0
    ready_memory_MB: NotNegative = 2000.0
    quiet_s: Positive = 1.0
    give_up_s: Positive = 600.0
    resend: Literal["auto", "off"] | tuple[str, ...] = "auto"
    max_slice_Mpx: Positive = Field(default_factory=default_slice_Mpx)
    max_volume_GB: Positive = 2000.0

    @field_validator("resend", mode="before")
    @classmethod
    def _check_resend(cls, value: Any) -> Any:
        """Named here: pydantic would name each form that the value might have had."""
        texts = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        if not texts and value not in ("auto", "off"):
            raise ValueError('"auto", "off", or a list such as ["tcp://127.0.0.1:5602"]')
        return value


class RequestSettings(_Section):
    """Who is asked for extra scans."""

    backend: Literal["mailbox", "queueserver", "none"] = "mailbox"
    endpoint: str = "tcp://127.0.0.1:5603"
    control: str = "tcp://127.0.0.1:60615"
    plan: str = "extra_scan"
    user: str = "pitwatch"
    user_group: str = "primary"
    autostart: Annotated[bool, Field(strict=True)] = True
    public_key: str = ""
    resend_s: Positive = 5.0


class ResultSettings(_Section):
    """Where screens find the results. Both addresses are bound by the engine."""

    status: str = "tcp://127.0.0.1:5610"
    pull: str = "tcp://127.0.0.1:5611"
    memory_MB: Positive = 2048.0


class SecuritySettings(_Section):
    """Who may connect from other machines, and what is connected to there (CURVE keys).

    Keys are those of `launch.py keys`: a public one as its 40 characters, or as its file.
    """

    secret_key: str = ""
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    server_keys: dict[str, str] = Field(default_factory=dict)
    plain: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> SecuritySettings:
        listed = (*self.operators, *self.viewers, *self.producers)
        if listed and not self.secret_key:
            raise ValueError("secret_key as well, where operators, viewers or producers are listed")
        return self


class PitSettings(_Section):
    """What counts as a pit."""

    min_depth_um: Positive = 2.0
    min_diameter_um: Positive = 5.0
    significance: Positive = 5.0


class OnsetSettings(_Section):
    """When the monitor asks for an extra scan by itself."""

    mode: Literal["off", "suggest", "auto"] = "auto"
    when: tuple[str, ...] = ("new_pits",)
    min_pits: Annotated[int, Field(ge=1, strict=True)] = 1
    min_pit_area_um2: NotNegative = 0.0
    max_growth_um_h: Positive = 10.0
    max_j_mA_cm2: Positive = 5.0
    depth_share: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.5
    closure_band: tuple[NotNegative, Positive] = (0.8, 1.2)
    current_step_mA_cm2: Positive = 0.1
    max_front_um: Positive = 50.0
    confirm: Annotated[bool, Field(strict=True)] = True
    clear_scans: Annotated[int, Field(ge=1, strict=True)] = 2
    cooldown_s: NotNegative = 900.0
    quiet_hours: tuple[str, ...] = ()
    max_scans_per_hour: Annotated[int, Field(ge=0, strict=True)] = 2
    max_scans_per_cell: Annotated[int, Field(ge=0, strict=True)] = 20
    dose_per_scan_kGy: NotNegative = 0.0
    max_dose_kGy: NotNegative = 0.0
    max_dose_kGy_per_hour: NotNegative = 0.0

    @model_validator(mode="after")
    def _check(self) -> OnsetSettings:
        for name in (name for entry in self.when for name in rules_of(entry)):
            if name not in RULES:
                near = difflib.get_close_matches(name, RULES, n=1, cutoff=0.0)[0]
                raise ValueError(f"rules out of {', '.join(RULES)}; did you mean {near!r}?")
        if self.closure_band[0] >= self.closure_band[1]:
            raise ValueError("closure_band as [low, high], low below high")
        for span in self.quiet_hours:
            if not QUIET_HOURS.fullmatch(span):
                raise ValueError('quiet_hours such as ["22:00-06:00"], UTC')
        return self


def rules_of(entry: str) -> tuple[str, ...]:
    """The rules of one entry of `onset.when`: all of them must be met."""
    return tuple(name.strip() for name in entry.split(" and "))


class WatchSettings(_Section):
    """When an alarm is raised (docs/watchdog.md)."""

    enabled: Annotated[bool, Field(strict=True)] = True
    closure_band: tuple[NotNegative, Positive] = (0.85, 1.15)
    noise_factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)] = 1.5
    contrast_share: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.6
    max_level_drift: Positive = 0.5
    least_valid: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.6
    max_shift_error_um: Positive = 5.0
    scans: Annotated[int, Field(ge=1, strict=True)] = 2
    late_s: Positive = 10.0
    dead_s: Positive = 60.0
    cycler_s: Positive = 60.0
    due_grace: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.1

    @model_validator(mode="after")
    def _check(self) -> WatchSettings:
        if self.closure_band[0] >= self.closure_band[1]:
            raise ValueError("closure_band as [low, high], low below high")
        if self.late_s >= self.dead_s:
            raise ValueError("late_s below dead_s")
        return self


class ScheduleSettings(_Section):
    """When scans are expected."""

    period_s: Positive = 1800.0


class GreyLevels(_Section):
    """Fixes the grey level of layers; what is not given is found from the data."""

    collector: float | None = None
    lithium: float | None = None
    electrolyte: float | None = None
    noise: Positive | None = None


Finite = Annotated[float, Field(allow_inf_nan=False)]
Landmark = tuple[Finite, Finite, Finite, Finite]


class BoundarySettings(_Section):
    """A picture of the grain boundaries of a cell's electrode (SEM, EBSD), for screen and report.

    `landmarks`: at least three places that are seen in both, each as row and column in the picture
    (pixels, the centre of the first at 0), then y and x on the map (µm). `shift_by_scan`: the pits
    of that scan show how the picture is to be moved; only pits born after it are counted then.
    """

    image: Annotated[str, Field(min_length=1)]
    lines: Literal["bright", "dark"] = "bright"
    landmarks: Annotated[tuple[Landmark, ...], Field(min_length=3)]
    near_um: Positive = 5.0
    shift_by_scan: Annotated[int, Field(ge=0, strict=True)] | None = None


class CellSettings(_Section):
    """One cell in the beam."""

    name: Annotated[str, Field(pattern=CELL_NAME)]
    electrode_diameter_mm: Positive | None = None
    electrode_area_cm2: Positive | None = None
    foil_thickness_um: Positive = 135.0
    capacity_mAh: Positive | None = None
    layers: tuple[LayerName, ...] = ("collector", "lithium", "electrolyte")
    stripping_current_sign: Literal[-1, 1] = -1
    clock_offset_s: Annotated[float, Field(allow_inf_nan=False, strict=True)] = 0.0
    hold_current_s: NotNegative = 300.0
    keys: dict[Quantity, str] = Field(default_factory=DEFAULT_KEYS.copy)
    grey_levels: GreyLevels = GreyLevels()
    boundaries: BoundarySettings | None = None

    @model_validator(mode="after")
    def _check(self) -> CellSettings:
        if self.electrode_diameter_mm is not None and self.electrode_area_cm2 is not None:
            raise ValueError("electrode_diameter_mm or electrode_area_cm2, not both")
        if self.layers not in LAYER_ORDERS:
            raise ValueError(
                "layers must be collector, lithium, electrolyte (or without collector), in the "
                "order of growing slice index or exactly reversed"
            )
        return self

    @property
    def area_cm2(self) -> float:
        """Area of the electrode that the cycler's current flows through."""
        if self.electrode_area_cm2 is not None:
            return self.electrode_area_cm2
        return math.pi / 4.0 * ((self.electrode_diameter_mm or 5.0) / 10.0) ** 2

    @property
    def reversed_z(self) -> bool:
        """True where the slice index grows from the electrolyte down to the lithium."""
        return self.layers[0] == "electrolyte"

    @property
    def has_collector(self) -> bool:
        return "collector" in self.layers


LAYER_ORDERS: tuple[tuple[LayerName, ...], ...] = (
    ("collector", "lithium", "electrolyte"),
    ("electrolyte", "lithium", "collector"),
    ("lithium", "electrolyte"),
    ("electrolyte", "lithium"),
)


class SimulatorSettings(_Section):
    """The simulated beamline; read by `demo` and `simulate` only."""

    scenario: str = "paper-0.55"
    scans: Annotated[int, Field(gt=0, strict=True)] | None = None
    speed: Positive = 600.0
    size: Annotated[int, Field(ge=64, strict=True)] = 384
    seed: Annotated[int, Field(ge=0, strict=True)] = 1
    cnr: Positive = 3.0
    slices: str = "tcp://127.0.0.1:5601"
    resend: str = "tcp://127.0.0.1:5602"
    requests: str = "tcp://127.0.0.1:5603"
    documents_in: str = "tcp://127.0.0.1:5577"
    documents_out: str = "tcp://127.0.0.1:5578"
    volumes: str = ""


class Settings(_Section):
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
    cells: tuple[CellSettings, ...] = (CellSettings(name="A"),)
    simulator: SimulatorSettings = SimulatorSettings()

    @model_validator(mode="after")
    def _check(self) -> Settings:
        names = [cell.name for cell in self.cells]
        if len(set(names)) != len(names):
            raise ValueError(f"a name of its own for each cell, not {', '.join(names)}")
        if not names:
            raise ValueError("at least one [[cells]] is needed")
        return self

    def cell(self, name: str) -> CellSettings | None:
        """The settings of the cell `name`, or None where it is not configured."""
        return next((cell for cell in self.cells if cell.name == name), None)


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
    return settings.model_copy(update={"cells": cells})


def _pictures_beside(path: Path, cell: CellSettings) -> CellSettings:
    """A relative path of a picture counts from the folder of the settings' file."""
    if cell.boundaries is None:
        return cell
    image = str((path.parent / cell.boundaries.image).resolve())
    return cell.model_copy(
        update={"boundaries": cell.boundaries.model_copy(update={"image": image})}
    )


def parse(table: dict[str, Any]) -> Settings:
    """Settings from a nested dictionary. Raises SettingError for the first thing wrong in it."""
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise _worded(error) from None


def as_table(settings: Settings) -> dict[str, Any]:
    """The settings as a nested dictionary that TOML can hold: None is left out."""
    return settings.model_dump(mode="json", exclude_none=True)


def _worded(error: ValidationError) -> SettingError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _known_keys(first["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        hint = f"did you mean {near[0]!r}?" if near else "remove it"
        return SettingError(where, got=key, expected="a known key", todo=hint)
    if first["type"] == "missing":
        return SettingError(where, got=None, expected="a value", todo="add the setting")
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return SettingError(where, got=first["input"], expected=expected, todo="correct the setting")


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    section: Any = Settings
    for part in location:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation
        section = next(
            (t for t in (annotation, *getattr(annotation, "__args__", ())) if _is_section(t)), None
        )
        if section is None:
            return []
    return list(section.model_fields)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, _Section)
