"""Settings of what the engine connects to: feeds, acquisition, screens, and the keys for them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from monitor import memory
from monitor.settings.folders import FolderSettings
from monitor.settings.section import NotNegative, Positive, Section

SLICE_MPX_PER_GB, LARGEST_SLICE_MPX = 3.0, 96.0
"""Maps take about 0.2 GB for each million pixels at the peak."""
SHARE_FOR_MESSAGES = 16


def default_slice_Mpx() -> float:
    """The largest slice that this machine has the memory for, millions of pixels."""
    return min(LARGEST_SLICE_MPX, round(memory.machine_bytes() / 1e9 * SLICE_MPX_PER_GB, 1))


def default_receive_MB() -> float:
    """What may wait of the feeds: a sixteenth of the memory, MB."""
    return round(memory.machine_bytes() / 1e6 / SHARE_FOR_MESSAGES, 0)


class FeedSettings(Section):
    """Where slices and cycler documents come from (ZeroMQ endpoints)."""

    slices: tuple[str, ...] = ("tcp://127.0.0.1:5601",)
    """Addresses of slice producers (PUB or XPUB) that the engine connects to."""
    slices_pull: str = ""
    """Address that the engine binds for producers that PUSH; empty: none."""
    documents: tuple[str, ...] = ("tcp://127.0.0.1:5578",)
    """Output addresses of the bluesky proxies that the engine connects to."""
    document_codec: Literal["msgpack", "json"] = "msgpack"
    """Encoding used by pitwatch's own publishers. The engine reads both."""
    receive_MB: Positive = Field(default_factory=default_receive_MB)
    """Messages that may wait to be processed; if there are more, producers have to wait. By default
    a sixteenth of the memory."""
    receive_hwm: Annotated[int, Field(gt=0, strict=True)] | None = None
    """Largest number of slices that may wait; without it, only `receive_MB` limits them."""
    reorder_memory_MB: Positive = 1024.0
    """Slices that may wait for an earlier one, or until the grey levels are known; four may always
    wait."""
    ready_memory_MB: NotNegative = 2000.0
    """Largest amount of memory that is reserved for the slices of the first scan when its header
    arrives; 0: none."""
    quiet_s: Positive = 1.0
    """Silence after which a scan that has ended is concluded although slices are missing."""
    give_up_s: Positive = 600.0
    """Silence after which a scan whose end was not received is concluded too."""
    resend: Literal["auto", "off"] | tuple[str, ...] = "auto"
    """Where lost slices are requested again. `auto`: at the address in the scan's header, if it
    is on this machine or on a machine named in `slices`; `off`: nowhere; a list: only at these
    addresses."""
    max_slice_Mpx: Positive = Field(default_factory=default_slice_Mpx)
    """Scans with larger slices are refused: maps take about 0.2 GB for each million pixels. By
    default 3 for each GB of memory, at most 96."""
    max_volume_GB: Positive = 2000.0
    """Scans that are announced as larger are refused."""
    folders: tuple[FolderSettings, ...] = ()
    """Folders that fill with volumes, each a section `[[feeds.folders]]`. If `slices` is left out,
    the engine then connects to nothing else."""

    @property
    def slice_addresses(self) -> tuple[str, ...]:
        """Of all producers of slices that the engine connects to: `slices`, and publishers of
        folders."""
        published = (folder.endpoint for folder in self.folders if folder.endpoint)
        return tuple(dict.fromkeys((*self.slices, *published)))

    @property
    def what_fits(self) -> str:
        """The largest slices and the most messages that are accepted, and their settings, in a
        line."""
        side = math.isqrt(int(self.max_slice_Mpx * 1e6))
        return (
            f"slices of up to {self.max_slice_Mpx:g} Mpx (such as {side} × {side}) fit into the "
            "memory; scans with larger slices are refused (feeds.max_slice_Mpx); "
            f"{self.receive_MB:.0f} MB of messages may wait (feeds.receive_MB)"
        )

    @model_validator(mode="before")
    @classmethod
    def _only_folders(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("folders"):
            return {"slices": (), **table}
        return table

    @model_validator(mode="after")
    def _check_folders(self) -> FeedSettings:
        for key in ("cell", "endpoint", "state"):
            values = [value for folder in self.folders if (value := getattr(folder, key))]
            if len(set(values)) != len(values):
                raise ValueError(f"a different {key} in each [[feeds.folders]]")
        return self

    @field_validator("resend", mode="before")
    @classmethod
    def _check_resend(cls, value: Any) -> Any:
        """Named here: pydantic would name each form that the value might have had."""
        texts = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        if not texts and value not in ("auto", "off"):
            raise ValueError('"auto", "off", or a list such as ["tcp://127.0.0.1:5602"]')
        return value


class RequestSettings(Section):
    """Who receives requests for extra scans."""

    backend: Literal["mailbox", "queueserver", "none"] = "mailbox"
    """Who receives scan requests: `mailbox` (the ROUTER at `endpoint`), `queueserver` (a
    bluesky-queueserver), or `none`: requests are refused (a dry run)."""
    endpoint: str = "tcp://127.0.0.1:5603"
    """Mailbox: address of the acquisition's ROUTER."""
    control: str = "tcp://127.0.0.1:60615"
    """Queueserver: control address of the RE manager."""
    plan: str = "extra_scan"
    """Queueserver: name of the plan that makes an extra scan."""
    user: str = "pitwatch"
    """Queueserver: the name under which items are added."""
    user_group: str = "primary"
    """Queueserver: a group of the manager's `user_group_permissions.yaml`."""
    autostart: Annotated[bool, Field(strict=True)] = True
    """Queueserver: start the manager's queue once a request has been added."""
    public_key: str = ""
    """Queueserver: the manager's CURVE key; needed if it is on another machine."""
    resend_s: Positive = 5.0
    """Interval at which a request is sent again, with the same id, until it is served."""


class ResultSettings(Section):
    """Where screens find the results. Both addresses are bound by the engine."""

    status: str = "tcp://127.0.0.1:5610"
    """PUB that the engine binds: events and a heartbeat."""
    pull: str = "tcp://127.0.0.1:5611"
    """ROUTER that the engine binds: queries and orders of the screens."""
    memory_MB: Positive = 2048.0
    """Maps that are kept in memory for screens; older ones are read from the disk."""


class SecuritySettings(Section):
    """Who may connect from other machines, and keys of programs on other machines (CURVE).

    Keys are made by `pitwatch keys`. A public key is given as its 40 characters or as its file.
    """

    secret_key: str = ""
    """File of the engine's own secret key."""
    operators: tuple[str, ...] = ()
    """Public keys of clients that may see everything and give orders."""
    viewers: tuple[str, ...] = ()
    """Public keys of clients that may see everything."""
    producers: tuple[str, ...] = ()
    """Public keys of producers that PUSH to `feeds.slices_pull`."""
    server_keys: dict[str, str] = Field(default_factory=dict)
    """Public keys of the programs that the engine connects to, by address."""
    plain: tuple[str, ...] = ()
    """Addresses on other machines that the engine connects to without keys."""

    @model_validator(mode="after")
    def _check(self) -> SecuritySettings:
        listed = (*self.operators, *self.viewers, *self.producers)
        if listed and not self.secret_key:
            raise ValueError("secret_key as well, if operators, viewers or producers are listed")
        return self
