"""One scan's file: its structure, its checksums, and whether ledger, pixels and maps agree."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.quantities.table import recorded_units
from monitor.recording import checksums, files, format
from monitor.recording.read import checked_hdf5, unclosed_hdf5
from monitor.recording.read.compressed_chunks import chunk_at
from monitor.recording.read.experiment import Scan
from monitor.recording.read.stored_scan import start_of
from monitor.recording.verify.findings import Findings
from monitor.recording.verify.tree import differences, visit
from monitor.recording.write import nexus
from monitor.recording.write.scan_file import lay_out
from monitor.records import LEDGER_MISSING, LEDGER_RECEIVED, LEDGER_RECOVERED, ScanStart

LOOKS, BETWEEN_S = 5, 0.1
_FIXED = frozenset(
    ["entry/title", "entry/start_time", "entry/end_time", "entry/definition", "entry/sample/name"]
    + [f"entry/{group}/{axis}" for group in ("reconstruction", "data") for axis in "zyx"]
    + [f"entry/instrument/source/{name}" for name in ("name", "type", "probe")]
    + [f"entry/reconstruction/{name}" for name in ("program", "version", "date")]
    + [f"entry/reconstruction/parameters/{name}" for name in ("raw_file", "run", "stream")]
    + [f"entry/process/{name}" for name in ("program", "date", "parameters/settings")]
    + [f"entry/{group}/{axis}" for group in ("interface", "current_density") for axis in "yx"]
)
"""What the header alone decides."""


@dataclass(frozen=True)
class ScanFacts:
    """What other files are compared with. `whole`: it was finished, and everything is there;
    `late`: slices that have pixels and are missing in `received` arrived too late for the maps."""

    start: ScanStart
    received: NDArray[np.uint8]
    order: NDArray[np.int64]
    whole: bool
    late: bool = False


def check_scan(
    scan: Scan, findings: Findings, *, keep_slices: bool | None, growing: bool
) -> ScanFacts | None:
    """Looks at all of a scan's file; None if not even its header and ledger can be read.

    `keep_slices`: whether the settings say that slices are recorded, None if it is not known.
    """
    path = scan.path
    if not opens(path, growing=growing):
        findings.error(path, "cannot be opened", "an HDF5 file")
        return None
    facts = None
    with findings.reading(path), checked_hdf5.opened(path) as file:
        visit(file)
        start, keep = start_of(scan), keep_slices
        if keep is None:
            keep = checked_hdf5.item(file, format.SLICES) is not None
        if not _structure(file, path, start, keep, findings):
            return None
        received, order = scan.ledger(), scan.order()
        sealed = bool(checksums.sealed(file["entry/summary"]))
        if not scan.partial or sealed:
            _seals(file, path, findings)
            _agreement(scan, received, findings)
        told = scan.summary() if sealed else {}
        tardy = (received == LEDGER_MISSING) & (order >= 0)
        late = bool(tardy.any()) and told.get(format.LATE) == np.count_nonzero(tardy)
        tardy &= late
        if not growing:
            if late:
                what = f"{np.count_nonzero(tardy)} slices were received too late for the maps"
                todo = "reprocess with a larger feeds.reorder_memory_MB: their pixels are recorded"
                findings.note(path, what, todo)
            lacking = told.get(format.LACKING) if keep else None
            _order(path, received, order, findings, int(lacking or 0), tardy)
        if keep:
            stored = np.where(order >= 0, received, LEDGER_MISSING)
            stored[tardy] = LEDGER_RECEIVED
            _pixels(file, path, start, stored, findings, partial=scan.partial and not sealed)
        findings.checked["scans"] += 1
        facts = ScanFacts(start, received, order, sealed and findings.is_sound(path), late)
    return facts


def opens(path: Path, *, growing: bool = False) -> bool:
    """Whether HDF5 can open the file, and find its way in it. One that its writer did not close is
    first opened in a way in which the library does not wait for what is damaged; while it is
    `growing`, some times, as it may be written just then."""
    if files.kind(path):
        return False
    for _ in range(LOOKS if growing else 1):
        try:
            if unclosed_hdf5.is_unclosed(path):
                with unclosed_hdf5.opened_unclosed(path) as file:
                    visit(file)
            else:
                h5py.File(path, "r", locking=False).close()
        except (RecordingError, *checked_hdf5.UNREADABLE):
            time.sleep(BETWEEN_S if growing else 0.0)
        else:
            return True
    return False


def _structure(
    file: h5py.File, path: Path, start: ScanStart, keep_slices: bool, findings: Findings
) -> bool:
    """Compares the file with what is laid out for this header; true where it can be read on."""
    sound = True
    described = checked_hdf5.item(file, nexus.PROCESS) is not None
    with h5py.File.in_memory() as want:
        lay_out(want, start, keep_slices=keep_slices, described=described)
        for where, came, expected in differences(
            file,
            want,
            equal=_FIXED.__contains__,
            optional=lambda name: name.endswith(f"/{checksums.NAME}") or "/summary/" in name,
            more=lambda name: name == "entry/summary",
        ):
            findings.error(path, f"{where} is {came}", expected)
            sound = False
        for name, of in nexus.links().items() if sound and described else ():
            if name in want and file[name] != file[of]:
                findings.error(path, f"{name} is another dataset than {of}", "the same")
                sound = False
        summary = checked_hdf5.group(file, "entry/summary")
        lacking = sorted(set(want["entry/summary"]) - set(summary))
    if lacking:
        names = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
        todo = "nothing, if an older pitwatch wrote it"
        findings.warning(path, f"entry/summary lacks {names}", "every known key", todo)
    for name in summary:
        item = checked_hdf5.find(file, f"entry/summary/{name}")
        if item is None or checked_hdf5.scalar(item) is None:
            findings.error(path, f"entry/summary/{name} is not a scalar", "a number or short text")
            sound = False
            continue
        units = checked_hdf5.attributes(file, f"entry/summary/{name}").get("units")
        if units != recorded_units(name):
            findings.error(path, f"entry/summary/{name}.units is {units!r}", recorded_units(name))
    return sound


def _seals(file: h5py.File, path: Path, findings: Findings) -> None:
    """The checksums of header, small groups and maps."""
    entry = file["entry"]
    if (header := checksums.sealed(entry)) is None:
        findings.checked["scans without checksums"] += 1
        return
    if header != checksums.of_attributes(checked_hdf5.attributes(file, "entry")):
        _mismatch(findings, path, "the header (attributes of entry)")
    for name in checksums.SEALED_GROUPS:
        for item in checked_hdf5.group(file, name):
            dataset = checked_hdf5.find(file, f"{name}/{item}")
            if dataset is not None:
                checked_hdf5.check_stored(file, f"{name}/{item}", dataset)
        if checksums.sealed(file[name]) != checksums.of_group(file[name]):
            _mismatch(findings, path, name)
    for name, where in {**format.MAP_GROUPS, format.PIT_LABELS: "entry/interface"}.items():
        dataset = file[f"{where}/{name}"]
        wanted = checksums.sealed(dataset)
        numbers = checked_hdf5.array(file, f"{where}/{name}", dataset.shape, dataset.dtype.name)
        made = numbers is not None
        if made != bool(wanted):
            came = "present, without checksum" if made else "missing"
            findings.error(path, f"{where}/{name} is {came}", "a map with its checksum, or neither")
        elif numbers is not None and wanted != checksums.of_array(numbers):
            _mismatch(findings, path, f"{where}/{name}")
        findings.checked["maps"] += made


def _mismatch(findings: Findings, path: Path, what: str) -> None:
    findings.error(
        path, f"{what} has changed since it was written", "contents that match the checksum"
    )


def _agreement(scan: Scan, received: NDArray[np.uint8], findings: Findings) -> None:
    """Ledger against summary and maps."""
    path, summary = scan.path, scan.summary()
    missing = int(np.count_nonzero(received == LEDGER_MISSING))
    recovered = int(np.count_nonzero(received == LEDGER_RECOVERED))
    for key, counted in (("slices_missing", missing), ("slices_recovered", recovered)):
        if (told := summary.get(key)) is not None and told != counted:
            findings.error(path, f"{key} is {told}", f"{counted}, as the ledger counts")
    height, error = scan.map("height"), scan.map("height_error")
    if scan.complete and (missing or height is None):
        lacks = f"{missing} slices are missing" if missing else "there is no map height"
        findings.error(path, f"it is marked complete, but {lacks}", "an incomplete scan")
    if height is not None and error is not None:
        odd = np.isfinite(height) & ~(error >= 0)
        if odd.any():
            what = f"{np.count_nonzero(odd)} heights have no error"
            findings.error(path, what, "height_error for each height")
    labels = scan.map(format.PIT_LABELS)
    if labels is not None:
        unknown = np.setdiff1d(labels[labels != 0], scan.pits().get("id", []))
        if unknown.size:
            findings.error(
                path, f"pit_labels has {unknown.size} ids without a pit", "those of pits/id"
            )


def _order(
    path: Path,
    received: Any,
    order: Any,
    findings: Findings,
    lacking: int,
    late: NDArray[np.bool_],
) -> None:
    """Ledger against itself: what arrived has its place in the order, once, and nothing else has;
    but for so many slices that the disk refused, as the summary says, and those that were
    `late`."""
    if (received > LEDGER_RECOVERED).any():
        findings.error(path, f"ledger/received has {received.max()}", "0, 1 or 2")
    came = np.sort(order[order >= 0])
    if not np.array_equal(came, np.arange(came.size)) or (order < -1).any():
        findings.error(path, "ledger/order is not an order", "0, 1, 2 … once each, or -1")
    odd = np.flatnonzero(((received > 0) != (order >= 0)) & ~late)
    if lacking and odd.size == lacking and (received[odd] > 0).all():
        what = f"{lacking} slices were received, and are in the maps, but the disk refused them"
        findings.warning(
            path, what, "all received slices", "look for them in experiment.second_dir"
        )
    elif odd.size:
        what = f"slice {odd[0]} (and {odd.size - 1} more) is {received[odd[0]]} in the ledger"
        findings.error(
            path, f"{what}, but {order[odd[0]]} in its order", "-1 for missing slices only"
        )


def _pixels(
    file: h5py.File,
    path: Path,
    start: ScanStart,
    received: NDArray[np.uint8],
    findings: Findings,
    *,
    partial: bool,
) -> None:
    """Ledger against the chunks that are stored, and each slice's pixels against its checksum."""
    volume = file[format.SLICES]
    checked_hdf5.check(file, format.SLICES, volume, start.volume_shape, (start.dtype,), math.inf)
    along = 0 if start.axis == "z" else 1
    rows = volume.chunks[1 - along]
    wanted = -(-start.slice_shape[0] // rows)
    stored: dict[int, set[int]] = {}
    volume.id.chunk_iter(
        lambda chunk: stored.setdefault(chunk.chunk_offset[along], set()).add(
            chunk.chunk_offset[1 - along]
        )
    )
    crcs = checked_hdf5.array(file, f"entry/ledger/{checksums.NAME}", received.shape, "uint32")
    for number, flag in enumerate(received):
        chunks = len(stored.get(number, ()))
        if flag and chunks != wanted:
            what = f"slice {number} is in the ledger, but {chunks} of its {wanted} chunks exist"
            findings.error(path, what, f"{wanted}")
        elif not flag and chunks and not partial:
            what = f"slice {number} is missing in the ledger, but {chunks} of its chunks exist"
            findings.error(path, what, "none")
        elif flag and crcs is not None:
            if _crc_of_slice(volume, start, along, number) != crcs[number]:
                _mismatch(findings, path, f"slice {number}")
            findings.checked["slices"] += 1


def _crc_of_slice(volume: h5py.Dataset, start: ScanStart, along: int, number: int) -> int | None:
    """None if a chunk is damaged."""
    rows, columns = start.slice_shape
    crc = 0
    for first in range(0, rows, volume.chunks[1 - along]):
        try:
            chunk = chunk_at(volume, (number, first, 0) if along == 0 else (first, number, 0))
        except ValueError:
            return None
        if chunk is None:
            return None
        crc = crc32(chunk.reshape(-1, columns)[: rows - first].data, crc)
    return crc
