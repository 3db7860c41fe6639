"""Every exception of pitwatch, worded once.

An error names the thing, what arrived, what was expected and what to do, in one line.
`BadMessage` costs one message; `SettingError` stops the start (exit code 2); the others end one
command with exit code 1.
"""

LONGEST = 500
"""Characters of what arrived: a setting of a recording may be as long as its file."""


class PitwatchError(Exception):
    """Whatever goes wrong and is understood; its text is fit for the operator."""


class SettingError(PitwatchError):
    """A setting is wrong: nothing has started."""

    def __init__(self, what: str, *, got: object, expected: str, todo: str) -> None:
        super().__init__(f"{_cut(what)}: got {_shown(got)}, expected {_cut(expected)}; {todo}")


class BadMessage(PitwatchError):
    """One message from outside cannot be used. `kind` is a short word that is counted."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class RecordingError(PitwatchError):
    """A recorded experiment cannot be read or written."""


class SourceError(PitwatchError):
    """A file of volumes or cycler readings cannot be read."""


class EngineUnreachable(PitwatchError):
    """No engine answers at the given address."""


class EngineFailed(PitwatchError):
    """An error of our own has ended the engine; its recording can be resumed."""


class MissingSoftware(PitwatchError):
    """A library or program that this task needs is not installed."""


def _shown(got: object) -> str:
    try:
        return _cut(repr(got))
    except (RecursionError, ValueError):  # nested too deeply, or a number too long to be written
        return f"a {type(got).__name__} that cannot be shown"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
