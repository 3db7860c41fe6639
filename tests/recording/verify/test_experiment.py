"""Every kind of damage, made by hand, is named by `verify`; what can be mended, `repair` mends."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import tomllib
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli.command_line import app
from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError, SettingError
from monitor.recording import format as layout
from monitor.recording.resume.interrupted import LOCK_FILE, FolderLock
from monitor.recording.verify.experiment import as_lines, verify
from monitor.recording.verify.repair import repair
from monitor.recording.write import disk_space
from monitor.recording.write.cell_logs import append_readings
from monitor.records import CyclerReading
from tests.recording.opened_run import chosen, run
from tests.recording.resume.test_interrupted import broken_off, experiment
from tests.recording.synthetic import Scene, cycler_event, cycler_run, settings
from tests.recording.synthetic import write_scan as write

SCAN = "A/scan_0001.h5"
FLIPS = 100


def record(folder: Path, scans: int = 2, **changes) -> Path:
    """Whole scans of a few slices, and readings."""
    recorder = Recorder(settings(folder, **changes))
    for document in cycler_run("A"):
        recorder.write("documents", (), document, ())
    for number in range(5):
        document = cycler_event("A", 1.6e9 + number, 0.1 * number, number + 1)
        recorder.write("documents", (), document, ())
    for scan in range(scans):
        write(recorder, Scene(nz=5), scan, msg_number=10 * scan, slices_missing=0)
    recorder.close()
    return recorder.folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return record(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / original.name)


def found(folder: Path) -> list[tuple[str, str, str]]:
    """(severity, file, what) of all findings."""
    return [(f.severity, str(f.path.relative_to(folder)), f.what) for f in verify(folder).found]


def one(folder: Path, severity: str = "error") -> tuple[str, str]:
    """File and text of the only finding."""
    ((kind, file, what),) = found(folder)
    assert kind == severity
    return file, what


def changed(path: Path, name: str, change) -> None:
    """A dataset of a file, changed behind the back of all checksums."""
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        file[name][()] = change(values)


# --- a clean one is clean -------------------------------------------------------------------------


def test_a_clean_recording_is_clean_and_says_what_was_looked_at(folder):
    findings = verify(folder)
    assert findings.found == []
    assert findings.checked["scans"] == 2 and findings.checked["slices"] == 10
    assert findings.checked["readings"] == 5
    assert as_lines(findings)[-1].startswith("checked: 2 scans, 10 slices, ")


@pytest.mark.slow
def test_a_real_run_is_clean_with_both_axes_missing_slices_and_recovered_ones(tmp_path):
    engine, recorder = run(chosen(tmp_path))
    engine.close()
    findings = verify(recorder.folder)
    assert as_lines(findings)[:-1] == []
    assert findings.checked["scans"] == 4


@pytest.mark.slow
def test_a_recording_without_slices_is_clean(tmp_path):
    assert found(record(tmp_path, record_slices=False)) == []


def test_checksums_are_those_of_zlib(folder):
    with h5py.File(folder / SCAN) as file:
        for number, crc in enumerate(file["entry/ledger/crc32"]):
            assert crc == zlib.crc32(file["entry/reconstruction/data"][number].tobytes())
        for name in ("interface/height", "interface/pit_labels", "current_density/absolute"):
            item = file[f"entry/{name}"]
            assert item.attrs["crc32"] == zlib.crc32(item[...].tobytes())
    line = (folder / "journal.jsonl").read_bytes().splitlines()[3]
    body, _, tail = line.rpartition(b',"crc32":"')
    assert int(tail[:8], 16) == zlib.crc32(body)


def test_a_recording_of_an_older_version_is_read_as_far_as_it_goes(folder):
    for path in folder.rglob("scan_*.h5"):
        with h5py.File(path, "r+") as file:
            del file["entry/ledger/crc32"]
            file.visititems(lambda _, item: item.attrs.pop("crc32", None) and None)
    for path in folder.rglob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            del line["crc32"]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / layout.SETTINGS_FILE
    path.write_text(path.read_text().rpartition("# crc32")[0])
    findings = verify(folder)
    assert [f for f in findings.found if f.severity == "error"] == []
    assert findings.checked["scans without checksums"] == 2
    assert findings.checked["settings without checksums"] == 1


# --- scans ----------------------------------------------------------------------------------------


def in_scan(change):
    """What is done to the open file of scan 1."""

    def damage(folder):
        with h5py.File(folder / SCAN, "r+") as file:
            change(file)

    return damage


def without(name):
    return in_scan(lambda file: file.__delitem__(name))


def instead(name, values, units="1"):
    def change(file):
        del file[name]
        file.create_dataset(name, data=values).attrs["units"] = units

    return in_scan(change)


def values(name, change):
    return lambda folder: changed(folder / SCAN, name, change)


def with_first(value):
    def change(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return change


def with_units(name, units):
    return in_scan(lambda file: file[name].attrs.modify("units", units))


STRUCTURE = {
    "a map is gone": (without("entry/interface/removal"), "entry/interface/removal is missing"),
    "a group is gone": (without("entry/pits"), "entry/pits is missing"),
    "the ledger is gone": (without("entry/ledger/received"), "entry/ledger/received is missing"),
    "the slices are gone": (without("entry/reconstruction"), "entry/reconstruction is missing"),
    "another shape": (
        instead("entry/ledger/received", np.ones(4, np.uint8)),
        "entry/ledger/received is 4 uint8",
    ),
    "another type": (
        instead("entry/ledger/order", np.arange(5, dtype=np.int32)),
        "entry/ledger/order is 5 int32",
    ),
    "other units": (with_units("entry/interface/height", "mm"), "height.units is 'mm'"),
    "other units of a number": (with_units("entry/summary/time", "h"), "time.units is 'h'"),
    "no units": (
        in_scan(lambda file: file["entry/interface/height"].attrs.pop("units")),
        "height.units is missing",
    ),
    "a name more": (in_scan(lambda file: file.create_group("entry/extra")), "entry/extra is there"),
    "other axes": (values("entry/interface/x", lambda x: x + 1), "entry/interface/x is"),
    "no group": (
        instead("entry/pits", 0),
        "entry/pits is dataset",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRUCTURE)
@pytest.mark.slow
def test_structure(folder, kind):
    damage, what = STRUCTURE[kind]
    damage(folder)
    errors = [f for f in found(folder) if f[0] == "error"]
    assert any(file == SCAN and what in text for _, file, text in errors), errors


CONTENTS = {
    "a pixel": (
        values("entry/reconstruction/data", with_first(3)),
        ["slice 0 has changed since it was written"],
    ),
    "a map": (
        values("entry/interface/bottom", with_first(3)),
        ["entry/interface/bottom has changed since it was written"],
    ),
    "a summary": (values("entry/summary/soc", lambda _: 0.5), ["entry/summary has changed since"]),
    "a pit": (values("entry/pits/depth_max_um", lambda d: d + 1), ["entry/pits has changed since"]),
    "the header": (
        in_scan(lambda file: file["entry"].attrs.modify("request", "x")),
        ["the header (attributes of entry) has changed since"],
    ),
    "missing where pixels are": (
        values("entry/ledger/received", with_first(0)),
        ["entry/ledger has changed since", "slices_missing is 0", "marked complete, but 1",
         "slice 0 (and", "slice 0 is missing in the ledger, but 1", "ledger/received of 1"],
    ),
    "recovered": (
        values("entry/ledger/received", with_first(2)),
        ["entry/ledger has changed since", "ledger/received of 1 slices"],
    ),
    "an order": (
        values("entry/ledger/order", lambda order: order[::-1]),
        ["entry/ledger has changed since", "ledger/order of 4 slices differs from the journal"],
    ),
    "a height without error": (
        values("entry/interface/height_error", with_first(np.nan)),
        ["entry/interface/height_error has changed since", "1 heights have no error"],
    ),
    "a label of no pit": (
        values("entry/interface/pit_labels", with_first(9)),
        ["entry/interface/pit_labels has changed since", "pit_labels has 1 ids without a pit"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENTS)
def test_contents(folder, kind):
    damage, expected = CONTENTS[kind]
    damage(folder)
    errors = [text for kind, file, text in found(folder) if file == SCAN]
    assert len(errors) == len(expected), errors
    for text, start in zip(errors, expected, strict=True):
        assert text.startswith(start) or start in text


@pytest.mark.slow
def test_a_slice_whose_pixels_are_not_there(folder):
    def change(file):
        old = file["entry/reconstruction/data"]
        chunks, attributes = old.chunks, dict(old.attrs)
        kept, dtype = old[...], old.dtype
        del file["entry/reconstruction/data"], file["entry/data/data"]
        new = file.create_dataset(
            "entry/reconstruction/data", kept.shape, dtype, chunks=chunks, **layout.compression()
        )
        new.attrs.update(attributes)
        new[1:] = kept[1:]
        file["entry/data/data"] = new

    in_scan(change)(folder)
    assert one(folder) == (SCAN, "slice 0 is in the ledger, but 0 of its 1 chunks exist")


@pytest.mark.parametrize("name", [SCAN, "A/A.nxs"])
@pytest.mark.slow
def test_damage_to_bookkeeping_that_only_other_readers_look_at(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[content.rfind(b"FSHD") + 42] ^= 4  # free space of a group's heap
    path.write_bytes(content)
    assert any(kind == "error" and file == name for kind, file, _ in found(folder))


def test_a_scan_that_is_gone_and_one_that_is_no_file(folder):
    (folder / SCAN).unlink()
    texts = [text for _, _, text in found(folder)]
    assert "scan 1 was finished, but no readable file contains it" in texts
    (folder / SCAN).write_bytes(b"nothing")
    assert ("error", SCAN, "cannot be opened") in found(folder)


# --- lines, readings, master, settings ------------------------------------------------------------


def edit(path: Path, change) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))


@pytest.mark.slow
def test_a_changed_a_left_out_and_a_repeated_line_of_the_journal(folder):
    path = folder / "journal.jsonl"
    whole = path.read_bytes()
    edit(path, lambda lines: [*lines[:3], lines[3].replace(b"2.1", b"2.2"), *lines[4:]])
    assert one(folder) == ("journal.jsonl", "line 4 has changed since it was written")
    path.write_bytes(whole)
    edit(path, lambda lines: [*lines[:-1]])
    assert found(folder) == []  # the end of the last scan: nothing tells that it was there
    edit(path, lambda lines: [*lines[:3], *lines[4:]])
    assert ("error", "journal.jsonl", "line 4 has n 4") in found(folder)
    path.unlink()
    assert one(folder) == ("journal.jsonl", "missing")


@pytest.mark.slow
def test_events_have_rising_numbers(folder):
    path = folder / "A/events.jsonl"
    edit(path, lambda lines: [*lines, lines[-1]])
    assert one(folder) == ("A/events.jsonl", f"line {lines_of(path)} has the number 1")


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n")


@pytest.mark.slow
def test_readings_are_those_of_the_journal(folder):
    path = folder / "A/cycler.h5"
    whole = path.read_bytes()
    changed(path, "potential_V", with_first(9.0))
    assert one(folder) == (
        "A/cycler.h5",
        "potential_V of 1 readings, the first in row 0, is 9.0",
    )
    path.write_bytes(whole)
    changed(path, "time", lambda time: time[::-1])
    assert "time does not increase" in found(folder)[0][2]
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["step"].resize((3,))
    assert one(folder) == ("A/cycler.h5", "columns have [3, 5] rows")
    path.unlink()
    assert one(folder) == ("A/cycler.h5", "missing")


def test_columns_that_a_killed_writer_left_unequal_are_whole_rows_again(folder):
    path = folder / "A/cycler.h5"
    with h5py.File(path, "r+") as file:
        file["step"].resize((3,))
    late = [CyclerReading("A", 1.6e9 + row, row, row, row, row, row) for row in (3, 4)]
    append_readings(path, late)
    with h5py.File(path) as file:
        assert {len(file[name]) for name in layout.CYCLER_COLUMNS} == {5}
        assert list(file["time"][...] - 1.6e9) == [0, 1, 2, 3, 4]
        assert list(file["step"][3:]) == [3, 4] == list(file["potential_V"][3:])


@pytest.mark.slow
def test_settings_that_were_changed_and_that_cannot_be_read(folder):
    path = folder / layout.SETTINGS_FILE
    text = path.read_text()
    path.write_text(text.replace("period_s = ", "period_s = 1"))
    assert one(folder) == (layout.SETTINGS_FILE, "has changed since it was written")
    path.write_text("format = ")
    assert layout.SETTINGS_FILE in {file for _, file, _ in found(folder)}


# --- leftovers and repair -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journal.jsonl", "A/events.jsonl"])
@pytest.mark.slow
def test_a_torn_line_is_taken_off_and_kept_in_a_copy(folder, name):
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"n":1')
    assert one(folder) == (name, "its last line has no end")
    (done,) = repair(folder, verify(folder))
    assert done.startswith(f"{name}: its last line") and path.read_bytes() == whole
    assert path.with_name(path.name + ".broken").read_bytes() == whole + b'{"n":1'
    assert one(folder, "note")[1] == "a copy from before `--repair`"


@pytest.mark.parametrize("how", ["gone", "damaged", "stale"])
@pytest.mark.slow
def test_a_master_is_written_again(folder, how):
    path = folder / "A/A.nxs"
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "damaged":
        path.write_bytes(whole[:400])
    else:
        with h5py.File(path, "r+") as file:
            del file["entry/scans/scan_0001"]
    file, _ = one(folder, "warning" if how == "gone" else "error")
    assert file == "A/A.nxs"
    assert repair(folder, verify(folder)) == ["A/A.nxs: was written again from the scans"]
    assert found(folder) == []


@pytest.mark.slow
def test_a_lock_that_nobody_holds_is_removed_and_one_that_is_held_keeps_everything(folder):
    (folder / "A/A.nxs").unlink()
    findings = verify(folder)
    lock = FolderLock(folder)
    assert one(folder, "note")[0] == LOCK_FILE
    with pytest.raises(RecordingError, match="an engine records into it now"):
        repair(folder, findings)
    assert not (folder / "A/A.nxs").exists()
    lock.release(broken=True)
    (kind, file, what), _ = found(folder)
    assert (kind, file) == ("warning", LOCK_FILE) and "the recording was interrupted" in what
    assert len(repair(folder, verify(folder))) == 2
    assert found(folder) == [] and not (folder / LOCK_FILE).exists()


@pytest.mark.slow
def test_a_whole_part_gets_its_name_and_a_damaged_one_does_not(folder):
    part = folder / f"{SCAN}.part"
    (folder / SCAN).rename(part)
    whole = part.read_bytes()
    texts = {file: text for _, file, text in found(folder)}
    assert (
        texts[f"{SCAN}.part"]
        == "this scan is complete, but its writer was stopped before it was renamed"
    )
    changed(part, "entry/interface/bottom", with_first(3))
    repair(folder, verify(folder))
    assert part.exists() and not (folder / SCAN).exists()
    part.write_bytes(whole)
    repair(folder, verify(folder))
    assert found(folder) == [] and (folder / SCAN).read_bytes() == whole


def test_where_it_broke_off_in_a_scan(tmp_path):
    folder = broken_off(tmp_path, experiment()[:60])
    kinds = {(kind, file) for kind, file, _ in found(folder)}
    assert kinds == {("warning", LOCK_FILE), ("warning", "A/scan_0000.h5.part")}
    (part,) = folder.rglob("*.part")
    part.rename(part.with_name(part.name + ".old"))
    assert ("warning", "A/scan_0000.h5.part.old") in {f[:2] for f in found(folder)}
    part.with_name(part.name + ".old").rename(part.with_name(part.name + ".kept"))
    repair(folder, verify(folder))
    assert ("warning", "A/scan_0000.h5.part.kept") in {f[:2] for f in found(folder)}
    assert part.with_name(part.name + ".kept").exists()


@pytest.mark.slow
def test_a_part_that_would_keep_hdf5_waiting_for_ever(tmp_path):
    folder = broken_off(tmp_path, experiment()[:60])
    (part,) = folder.rglob("*.part")
    part.write_bytes(part.read_bytes()[:3000])
    assert ("error", "A/scan_0000.h5.part", "cannot be opened") in found(folder)


@pytest.mark.slow
def test_nothing_is_mended_through_a_link(folder, tmp_path):
    elsewhere = tmp_path / "thesis.tex"
    elsewhere.write_bytes(b"years of work")
    journal = folder / "journal.jsonl"
    journal.unlink()
    journal.symlink_to(elsewhere)
    assert ("error", "journal.jsonl", "is a link to another place") in found(folder)
    assert repair(folder, verify(folder)) == []
    (folder / LOCK_FILE).touch()  # this could be mended
    with pytest.raises(RecordingError, match="link to another place; nothing was repaired"):
        repair(folder, verify(folder))
    assert (folder / LOCK_FILE).exists()
    assert elsewhere.read_bytes() == b"years of work"


# --- any byte -------------------------------------------------------------------------------------


@pytest.mark.parametrize("refuses", ["need", "reserve"])
@pytest.mark.slow
def test_a_full_disk_leaves_all_as_it_was(folder, refuses, monkeypatch):
    """Before anything is mended, or when the readings are written."""
    (folder / "A/cycler.h5").write_bytes(b"damaged")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk_space, refuses, full)
    with pytest.raises(RecordingError, match="No space left on device"):
        repair(folder, verify(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    monkeypatch.undo()
    repair(folder, verify(folder))
    assert verify(folder).count("error") == 0


def contents(path: Path):
    """All that a file says, read without pitwatch."""
    if path.suffix == ".toml":
        return tomllib.loads(path.read_text())
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [{k: v for k, v in line.items() if k != "crc32"} for line in lines]
    said = {}
    with h5py.File(path, "r") as file:

        def take(name, item):
            attributes = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            numbers = None
            if isinstance(item, h5py.Dataset):
                value = np.asarray(item[()])
                raw = value.tolist() if value.dtype.hasobject else value.tobytes()
                numbers = (value.dtype.str, value.shape, raw)
            said[name] = (attributes, numbers)

        take("/", file)
        file.visititems(take)
    return repr(said)


@pytest.mark.slow
def test_any_byte_that_flips_is_told_or_says_nothing(tmp_path):
    rng = random.Random(6)
    folder = record(tmp_path, scans=1)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    wanted = {path: contents(path) for path in files}
    silent = 0
    for _ in range(FLIPS):
        path = rng.choice(files)
        whole = path.read_bytes()
        at = rng.randrange(len(whole))
        path.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :]
        )
        findings = verify(folder).found
        if not findings:
            silent += 1
            assert contents(path) == wanted[path], (path, at)
        path.write_bytes(whole)
    assert silent < FLIPS
    assert found(folder) == []


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command(folder):
    def command(*more):
        return CliRunner().invoke(app, ["verify", str(folder), *more])

    assert command().exit_code == 0
    (folder / "A/A.nxs").unlink()
    assert command().exit_code == 0  # a warning alone
    edit(folder / "journal.jsonl", lambda lines: [*lines, b"{"])
    result = command()
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith(
        "error: journal.jsonl: its last line has no end"
    )
    table = json.loads(command("--json").stdout)
    assert [f["file"] for f in table["findings"]] == ["journal.jsonl", "A/A.nxs"]
    assert table["totals"]["errors"] == 1 and table["repaired"] == []
    result = command("--repair")
    assert result.exit_code == 0
    assert sum(line.startswith("repaired: ") for line in result.stdout.splitlines()) == 2
    with pytest.raises(SettingError):
        verify(folder / "nowhere")
    assert CliRunner().invoke(app, ["verify", str(folder / "nowhere")]).exit_code == 2
