"""Settings of what the engine connects to: feeds, acquisition, screens, and the keys for them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from monitor import memory
from monitor.settings.section import NotNegative, Positive, Section

SLICE_MPX_PER_GB, LARGEST_SLICE_MPX = 2.6, 64.0
"""Maps take about 0.35 GB for each million pixels at the peak."""
SHARE_FOR_MESSAGES = 8


def default_slice_Mpx() -> float:
    """The largest slice that this machine has the memory for, millions of pixels."""
    return min(LARGEST_SLICE_MPX, round(memory.machine_bytes() / 1e9 * SLICE_MPX_PER_GB, 1))


def default_receive_MB() -> float:
    """What may wait of the feeds: an eighth of the memory, MB."""
    return round(memory.machine_bytes() / 1e6 / SHARE_FOR_MESSAGES, 0)


class FeedSettings(Section):
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


class RequestSettings(Section):
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


class ResultSettings(Section):
    """Where screens find the results. Both addresses are bound by the engine."""

    status: str = "tcp://127.0.0.1:5610"
    pull: str = "tcp://127.0.0.1:5611"
    memory_MB: Positive = 2048.0


class SecuritySettings(Section):
    """Who may connect from other machines, and what is connected to there (CURVE keys).

    Keys are those of `pitwatch keys`: a public one as its 40 characters, or as its file.
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
