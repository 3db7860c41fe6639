"""Settings of channels: other scalars of the bluesky documents, beside the readings of a cycler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.plain_text import is_plain
from monitor.settings.section import Section

CHANNEL_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
MOST_CHANNELS = 50


def _printable(text: str) -> str:
    if not is_plain(text):
        raise PydanticCustomError("not_plain", "Input should be printable text in one line")
    return text


ChannelName = Annotated[str, Field(pattern=CHANNEL_NAME)]
DocumentName = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Short = Annotated[str, Field(max_length=40), AfterValidator(_printable)]


class ChannelSettings(Section):
    """A scalar of the bluesky documents that is recorded and shown beside the readings of the
    cyclers: ring current, shutter, temperature, pressure. `NAME = "KEY"` is short for a table with
    `key` alone. Channels of all cells are declared once, below `[channels]`; those of one cell
    below its `[cells.channels]`."""

    key: Annotated[DocumentName, Field(min_length=1)]
    """Data key of the channel in the documents."""
    stream: DocumentName = ""
    """Name of the only stream that is read, such as `baseline`; empty: every stream."""
    unit: Short = ""
    """Unit of the values; empty: the one that the descriptor of the documents states."""
    title: Short = ""
    """Title on the screen and in alarms; empty: the name of the channel."""

    @model_validator(mode="before")
    @classmethod
    def _key_alone(cls, given: Any) -> Any:
        return {"key": given} if isinstance(given, str) else given


Channels = Annotated[dict[ChannelName, ChannelSettings], Field(max_length=MOST_CHANNELS)]


def twice(common: Mapping[str, object], own: Mapping[str, object]) -> str:
    """The first name that both have; "" if there is none."""
    return next((name for name in own if name in common), "")
