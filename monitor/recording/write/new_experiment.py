"""Makes the folder of a new experiment, with the settings that it was recorded with."""

from __future__ import annotations

import os
import platform
import shutil
import time
import uuid
from pathlib import Path

import tomli_w

from monitor.errors import RecordingError
from monitor.recording import checksums, format
from monitor.recording.read import pictures
from monitor.recording.write.disk_space import LEAST_FREE_BYTES
from monitor.settings import Settings, as_table

PACKAGES = ("pitwatch", "numpy", "numba", "h5py", "hdf5plugin", "pyzmq")


def new_identity() -> str:
    """Text that no other experiment has."""
    return uuid.uuid4().hex


def create_experiment(
    settings: Settings, data_dir: Path, name: str = "", identity: str = ""
) -> Path:
    """Makes the folder `<data_dir>/<experiment>`, or `<experiment>-2`, `-3` … if it is taken.

    `name`: of the folder, if it is not to be the experiment's; `identity`: text that no other
    experiment has, which ids of scan requests are made from, or that of the recording whose
    messages these are; "": they are made from the experiment's name. Raises RecordingError if
    nothing can be written there.
    """
    name = name or settings.experiment.name
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(data_dir).free
        if free < LEAST_FREE_BYTES:
            raise RecordingError(
                f"experiment.data_dir {data_dir}: {free / 1e6:.0f} MB are free, at least "
                f"{LEAST_FREE_BYTES / 1e6:.0f} MB are needed; free some space, or choose another "
                "folder"
            )
        folder = _new_folder(data_dir, name)
        _write_settings(folder, settings, identity)
        pictures.keep(settings, folder)
    except OSError as error:
        raise RecordingError(
            f"experiment.data_dir {data_dir}: cannot be written ({error.strerror or error}); "
            "choose another folder, or change its permissions"
        ) from None
    return folder


def _new_folder(data_dir: Path, name: str) -> Path:
    for number in range(1, 10_000):
        folder = data_dir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{name}-9999 exists already")


def _write_settings(folder: Path, settings: Settings, identity: str) -> None:
    table = {
        "format": format.FORMAT,
        **({"id": identity} if identity else {}),
        "created": format.iso_time(time.time()),
        "versions": {"python": platform.python_version()}
        | {p: format.version_of(p) for p in PACKAGES},
        "settings": as_table(settings),
    }
    target = folder / format.SETTINGS_FILE
    part = target.with_name(target.name + format.PART)
    with part.open("wb") as file:
        file.write(checksums.with_settings_crc(tomli_w.dumps(table).encode()))
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)
