"""How files become scans: what the header of a volume says, once it is known."""

from __future__ import annotations

import re

from monitor.settings import FolderRules
from monitor.sources.folder.files import number_in
from monitor.sources.folder.growing import Progress
from monitor.sources.folder.state import SentFolder, SentVolume
from monitor.sources.volumes.planes import wire_dtype
from monitor.sources.volumes.voxel_size import alike, as_text, doubt

FIRST_NUMBERS = (0, 1)
"""A stack begins with one of these, if nothing says another number."""
OF_DETECTOR = re.compile(
    r"(?:(?:dark|flat|white|bright)s?[_-]?(?:fields?|end|before|after|images?)?|ref(?:HST|\d{4}))"
    r"[_\-.]*\d*",
    re.IGNORECASE,
)
"""Images of the detector, as beamlines call them: `dark_0000.edf`, `refHST0000.edf`, `flats.h5`."""
SAME_START_S = 2.0
"""Scans of one number that begin closer together would be one scan for the engine."""


def announcement(
    name: str,
    now: Progress,
    before: SentVolume | None,
    done: bool,
    rules: FolderRules,
    sent: SentFolder,
) -> tuple[SentVolume | None, list[str]]:
    """The volume as its header announces it, None as long as that is not known; and what the
    operator should know. `before` is an earlier volume of this name, whose files were written
    again; `done`: nothing is added to the files any more. Raises SourceError for pixels that are
    not numbers."""
    if is_of_detector(name, rules.pattern):
        return None, [
            f"{name}: is left out: dark and flat fields are called so; if it is a volume, name it "
            "with --pattern"
        ]
    first = next((known for known in sent.volumes if known.shape[0]), None)
    if first is not None and now.plane != first.shape[1:]:
        return None, [
            f"{name}: slices are {now.plane}, those of {first.name} are {first.shape[1:]}; it is "
            "left out, as scans of one cell must have slices of one shape"
        ]
    if not done and now.begins_at not in _first_numbers(first, rules):
        return None, [
            f"{name}: its first file has the number {now.begins_at}; waiting for those before it, "
            f"give --first-slice {now.begins_at} if there are none"
        ]
    total = now.total or rules.slices
    if total is None and done:
        total = [*now.ready, *now.maybe][-1] + 1
    if total is None and before is None and first is not None:
        total = first.shape[0]
    if total is None:
        return None, [
            f"{name}: its number of slices is not known before it is complete; give --slices to "
            "send them while they are written"
        ]
    scan, lines = _scan(name, before, sent)
    voxel = (rules.voxel_um,) * 3 if rules.voxel_um else now.voxel_size_um
    if first is not None:  # lengths of scans are compared
        own, voxel = voxel, first.voxel_size_um
        if own is not None and voxel is not None and not alike(own, voxel):
            lines.append(
                f"{name}: voxel size is {as_text(own)}, that of {first.name} is {as_text(voxel)}: "
                "its maps are not compared with those before; if it is wrong, give the right one "
                "with --voxel-um"
            )
            voxel = own
    elif voxel is None:
        lines.append(
            f"{name}: its files do not hold the voxel size yet: lengths of all scans will be in "
            "voxels; give it with --voxel-um"
        )
    lines += [f"{name}: {line}"] if (line := doubt(voxel)) else []
    lines += now.notes
    start, stop = _times(now, before, rules)
    made = SentVolume(
        name=name,
        scan=scan,
        reference=first is None if before is None else before.reference,
        start_time=start,
        stop_time=stop,
        shape=(total, *now.plane),
        dtype=wire_dtype(now.dtype, name),
        voxel_size_um=voxel,
        begins_at=now.begins_at,
        after_ns=before.after_ns if before else 0,
        version=before.version if before else 0,
    )
    return made, lines


def is_of_detector(name: str, pattern: str) -> bool:
    """Whether files of this name are dark or flat fields, and are not what `pattern` asks for."""
    asked = OF_DETECTOR.fullmatch(pattern.strip("*"))
    return not asked and any(map(OF_DETECTOR.fullmatch, name.split("/")))


def _first_numbers(first: SentVolume | None, rules: FolderRules) -> tuple[int, ...]:
    if first is not None:
        return (first.begins_at,)
    return FIRST_NUMBERS if rules.first_slice is None else (rules.first_slice,)


def _scan(name: str, before: SentVolume | None, sent: SentFolder) -> tuple[int, list[str]]:
    """Its number: that in its name, otherwise the next one."""
    if before is not None:
        return before.scan, []
    used = {known.scan for known in sent.volumes}
    free = max(used, default=-1) + 1
    number = number_in(name)
    if number is None:
        return free, []
    if number in used:
        line = f"{name}: there is a scan {number} already; it is sent as scan {free}"
        return free, [line]
    return number, []


def _times(now: Progress, before: SentVolume | None, rules: FolderRules) -> tuple[float, float]:
    """Begin and end of the scan, UTC s."""
    written = now.first_ns * 1e-9 - rules.delay_s
    start, stop = now.times or (written - rules.duration_s, written)
    if before is not None and abs(start - before.start_time) < SAME_START_S:
        start = before.start_time + SAME_START_S
    return start, max(start, stop)
