"""TIFF as others write it: series, page by page, ImageJ, OME, codecs, previews, voxel sizes."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.sources.volume_files import noise, pillow, stack, tiff, tiff_page_by_page

DATA = noise()


def only(path: Path | str) -> Volume:
    (volume,) = open_volumes([path])
    return volume


def read(path: Path | str) -> Any:
    return np.stack(list(only(path).slices()))


# pages, whatever series they are in


@pytest.mark.parametrize("last", [1, 2, 5])
def test_pages_of_several_series_are_one_volume(last: int, tmp_path: Path) -> None:
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, DATA[:-last])
    for plane in DATA[-last:]:
        tifffile.imwrite(path, plane, append=True)
    np.testing.assert_array_equal(read(path), DATA)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [{}, None])
def test_pages_that_were_written_one_by_one(
    compression: Any, metadata: Any, tmp_path: Path
) -> None:
    path = tiff_page_by_page(tmp_path, DATA, compression=compression, metadata=metadata)
    np.testing.assert_array_equal(read(path), DATA)


@pytest.mark.parametrize("odd", [DATA[0, :8], DATA[0].astype(np.float32), DATA[0].astype(">i2")])
def test_a_page_unlike_the_others_is_named(odd: Any, tmp_path: Path) -> None:
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, DATA)
    tifffile.imwrite(path, odd, append=True)
    with pytest.raises(
        SourceError, match=r"page 12 is \(\d+, 20\) .*, page 0 is \(16, 20\) uint16"
    ):
        read(path)


@pytest.mark.parametrize("count", [2, 7])
def test_pages_that_are_missing_at_the_end_are_counted(count: int, tmp_path: Path) -> None:
    """tifffile and ImageJ say how many there are; the chain ends properly after fewer."""
    for options in ({}, {"imagej": True, "metadata": {"axes": "ZYX"}}):
        path = tiff(**options)(tmp_path, DATA)
        with tifffile.TiffFile(path) as tif:
            byteorder, page = tif.byteorder, tif.pages[count - 1]
            end = page.offset + 2 + 12 * len(page.tags)
        raw = bytearray(path.read_bytes())
        raw[end : end + 4] = struct.pack(byteorder + "I", 0)
        path.write_bytes(raw)
        with pytest.raises(SourceError, match=f"has {count} pages of 12"):
            read(path)


@pytest.mark.parametrize("target", [5, 9, 2**31])
@pytest.mark.parametrize("page", [0, 6])
def test_a_broken_chain_of_pages_is_said(target: int, page: int, tmp_path: Path) -> None:
    path = pillow()(tmp_path, DATA)
    with tifffile.TiffFile(path) as tif:
        at = 4 if page == 0 else tif.pages[page - 1].offset + 2 + 12 * len(tif.pages[page - 1].tags)
    raw = bytearray(path.read_bytes())
    raw[at : at + 4] = struct.pack("<I", target)
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=r"the chain of pages breaks after page|is now|holds no"):
        read(path)


@pytest.mark.parametrize("compression", ["zlib", "lzma", "packbits"])
def test_a_damaged_strip_names_its_slice_before_anything_is_sent(
    compression: str, tmp_path: Path
) -> None:
    if compression == "packbits":
        pytest.importorskip("imagecodecs", reason="packbits cannot be written without it")
    path = tiff(compression=compression)(tmp_path, DATA)
    with tifffile.TiffFile(path) as tif:
        at, size = tif.pages[5].dataoffsets[0], tif.pages[5].databytecounts[0]
    raw = bytearray(path.read_bytes())
    raw[at + size // 4 : at + size // 2] = bytes(size // 2 - size // 4)
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=r"volume\.tif: slice 5 cannot be read"):
        open_volumes([path])


def test_a_damaged_file_of_a_stack_is_named(tmp_path: Path) -> None:
    folder = stack(compression="zlib")(tmp_path, DATA)
    victim = folder / "rec_00007.tiff"
    raw = bytearray(victim.read_bytes())
    raw[-60:-20] = bytes(40)
    victim.write_bytes(raw)
    with pytest.raises(SourceError, match=r"rec_00007\.tiff: its plane cannot be read"):
        open_volumes([folder])


@pytest.mark.parametrize("codec", ["tiff_lzw", "packbits"])
def test_a_codec_is_read_or_named_before_anything_is_sent(codec: str, tmp_path: Path) -> None:
    path = pillow(codec)(tmp_path, DATA)
    if importlib.util.find_spec("imagecodecs"):
        np.testing.assert_array_equal(read(path), DATA)
        return
    try:
        volume = only(path)
    except MissingSoftware as error:
        assert "imagecodecs" in str(error) and "pip install 'pitwatch[tiff]'" in str(error)
        assert "volume.tif: page 0" in str(error)
    else:  # tifffile has this one itself
        np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


def test_a_codec_in_one_file_of_a_stack_is_named(tmp_path: Path) -> None:
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed: all is read")
    folder = stack()(tmp_path, DATA)
    Image.fromarray(DATA[9]).save(folder / "rec_00009.tiff", compression="tiff_lzw")
    with pytest.raises(MissingSoftware, match=r"rec_00009\.tiff: page 0 is compressed with LZW"):
        open_volumes([folder])


def test_previews_within_a_file_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "volume.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in DATA:
            writer.write(plane)
        writer.write(DATA[0, ::4, ::4], subfiletype=1)
    volume = only(path)
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert volume.notes == (f"{path}: left out as previews: pages 12",)


def test_one_page_that_stands_for_all_planes(tmp_path: Path) -> None:
    """As ImageJ writes beyond 4 GB, and tifffile if it is told to."""
    path = tmp_path / "volume.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(DATA, contiguous=True, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        end = page.offset + 2 + 12 * len(page.tags)
    raw = bytearray(path.read_bytes())
    raw[end : end + 4] = bytes(4)
    path.write_bytes(raw)
    np.testing.assert_array_equal(read(path), DATA)
    with tifffile.TiffFile(path) as tif:
        path.write_bytes(raw[: tif.pages[0].dataoffsets[0] + DATA.nbytes - 1])
    with pytest.raises(SourceError, match="has 1 page of 12"):
        read(path)


# axes and colours


@pytest.mark.parametrize(
    ("axes", "shape", "why"),
    [
        ("XYZ", (12, 16, 20), "axes XYZ"),
        ("YXZ", (12, 16, 20), "axes YXZ"),
        ("CYX", (3, 16, 20), r"C \(channels\)"),
        ("TYX", (4, 16, 20), r"T \(times\)"),
        ("CZYX", (2, 6, 16, 20), r"C \(channels\)"),
    ],
)
def test_other_axes_are_refused_with_words(
    axes: str, shape: tuple[int, ...], why: str, tmp_path: Path
) -> None:
    data = np.resize(DATA, shape)
    tifffile.imwrite(
        tmp_path / "volume.tif", data, metadata={"axes": axes}, photometric="minisblack"
    )
    with pytest.raises(SourceError, match=rf"{why}.*expected one volume \(nz, ny, nx\)"):
        read(tmp_path / "volume.tif")


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
def test_planes_that_nobody_named_are_slices_and_told(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """tifffile calls them channels; three of them may be colours, twelve are no channels."""
    path = tiff(**options)(tmp_path, DATA)
    volume = only(path)
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert volume.notes == (f"{path}: its 12 planes are called channels: treated as slices in z",)


def test_colours_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((5, 8, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(SourceError, match="page 0 is a colour image"):
        read(tmp_path / "rgb.tif")
    pages = [Image.fromarray((plane >> 8).astype(np.uint8)).convert("P") for plane in DATA]
    for page in pages:
        page.putpalette([value for level in range(256) for value in (level, 0, 255 - level)])
    pages[0].save(tmp_path / "palette.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(SourceError, match="page 0 has a colour palette"):
        read(tmp_path / "palette.tif")


@pytest.mark.parametrize("order", [[3, 1, 0, 2, *range(4, 12)], list(range(11, -1, -1))])
def test_planes_of_ome_are_in_the_order_of_its_xml(order: list[int], tmp_path: Path) -> None:
    path = tiff(ome=True, metadata={"axes": "ZYX"})(tmp_path, DATA[order])
    xml = tifffile.tiffcomment(path)
    data = "".join(
        f'<TiffData IFD="{ifd}" FirstZ="{z}" FirstC="0" FirstT="0" PlaneCount="1"/>'
        for ifd, z in enumerate(order)
    )
    head, _, rest = xml.partition("<TiffData")
    tifffile.tiffcomment(path, (head + data + rest.partition("/>")[2]).encode())
    np.testing.assert_array_equal(read(path), DATA)


def test_ome_that_tells_of_more_planes_is_refused(tmp_path: Path) -> None:
    path = tiff(ome=True, metadata={"axes": "ZYX"})(tmp_path, DATA)
    xml = tifffile.tiffcomment(path).replace('SizeZ="12"', 'SizeZ="14"')
    tifffile.tiffcomment(path, xml.encode())
    with pytest.raises(SourceError, match=r"14 planes|of 14"):
        read(path)


# voxel sizes


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "nm", "mm"])
def test_voxel_size_of_imagej(unit: str, tmp_path: Path) -> None:
    of_um = {"nm": 1000.0, "mm": 0.001}.get(unit, 1.0)
    path = tiff(
        imagej=True,
        resolution=(1 / (0.5 * of_um), 1 / (0.7 * of_um)),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 1.5 * of_um},
    )(tmp_path, DATA)
    assert only(path).voxel_size_um == pytest.approx((1.5, 0.7, 0.5), rel=1e-5)


@pytest.mark.parametrize(
    "unit", [r"\u00B5m", r"\u00b5m", r"\xb5m", r"\u03bcm", r"\u03BCm", "microns", "Micron"]
)
def test_micrometres_however_they_are_written(unit: str, tmp_path: Path) -> None:
    path = tiff(
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 0.5},
    )(tmp_path, DATA)
    assert only(path).voxel_size_um == pytest.approx((0.5,) * 3)


def test_imagej_may_have_a_unit_for_each_axis(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "unit": "um", "yunit": "nm", "zunit": "mm", "spacing": 0.002}
    path = tiff(imagej=True, resolution=(2.0, 1 / 700), metadata=metadata)(tmp_path, DATA)
    assert only(path).voxel_size_um == pytest.approx((2.0, 0.7, 0.5))


def test_without_imagejs_spacing_voxels_are_cubes_which_is_reported(tmp_path: Path) -> None:
    path = tiff(imagej=True, resolution=(2.0, 2.0), metadata={"axes": "ZYX", "unit": "um"})(
        tmp_path, DATA
    )
    assert only(path).voxel_size_um == pytest.approx((0.5,) * 3)
    (note,) = only(path).notes
    assert "voxel size 0.5 µm, assumed along z too: ImageJ's description has no spacing" in note


@pytest.mark.parametrize("imagej", [False, True])
def test_a_negative_is_reported(imagej: bool, tmp_path: Path) -> None:
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, DATA, photometric="miniswhite", imagej=imagej)
    np.testing.assert_array_equal(read(path), DATA)
    assert any("is marked as a negative (MinIsWhite)" in note for note in only(path).notes)


@pytest.mark.parametrize("metadata", [{}, {"unit": "pixel"}, {"unit": "furlong", "spacing": 2.0}])
def test_imagej_without_a_unit_says_nothing(metadata: dict[str, Any], tmp_path: Path) -> None:
    path = tiff(imagej=True, resolution=(2.0, 2.0), metadata={"axes": "ZYX", **metadata})(
        tmp_path, DATA
    )
    assert only(path).voxel_size_um is None


@pytest.mark.parametrize(("unit", "of_um"), [(None, 1.0), ("µm", 1.0), ("nm", 1e3), ("mm", 1e-3)])
def test_voxel_size_of_ome(unit: str | None, of_um: float, tmp_path: Path) -> None:
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for side, size in zip("ZYX", (1.5, 0.7, 0.5), strict=True):
        metadata[f"PhysicalSize{side}"] = size * of_um
        if unit:
            metadata[f"PhysicalSize{side}Unit"] = unit
    path = tiff(ome=True, metadata=metadata)(tmp_path, DATA)
    assert only(path).voxel_size_um == pytest.approx((1.5, 0.7, 0.5))


@pytest.mark.parametrize(("unit", "per_um"), [("CENTIMETER", 1e4), ("INCH", 25400.0)])
def test_voxel_size_of_resolution_tags_is_told(unit: str, per_um: float, tmp_path: Path) -> None:
    path = tiff(resolution=(per_um / 0.717, per_um / 0.717), resolutionunit=unit)(tmp_path, DATA)
    volume = only(path)
    assert volume.voxel_size_um == pytest.approx((0.717,) * 3, rel=1e-5)
    (note,) = volume.notes
    assert "voxel size 0.717 µm from its resolution tags" in note


@pytest.mark.parametrize("dpi", [72, 96, 300, 600])
def test_dots_per_inch_of_a_printer_are_no_voxel_size(dpi: int, tmp_path: Path) -> None:
    pages = [Image.fromarray(plane) for plane in DATA]
    path = tmp_path / "volume.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], dpi=(dpi, dpi))
    assert only(path).voxel_size_um is None


NABU = "[processing_options]\n\n[processing_options.reconstruction]\nvoxel_size_cm = {}\n"


@pytest.mark.parametrize("text", ["7e-05, 7e-05, 7e-05", "7e-05", "[ 7e-05 7e-05 7e-05 ]"])
def test_voxel_size_beside_a_single_file_and_a_stack(text: str, tmp_path: Path) -> None:
    """As tomoscan, with which nabu writes, leaves it beside a file and in a stack's folder."""
    tiff_page_by_page(tmp_path, DATA).rename(tmp_path / "rec.tiff")
    (tmp_path / "rec_infos.txt").write_text("\n" + NABU.format(text))
    folder = stack()(tmp_path, DATA)
    (folder / "rec_infos.txt").write_text("\n" + NABU.format(text))
    for path in (tmp_path / "rec.tiff", folder):
        volume = only(path)
        assert volume.voxel_size_um == pytest.approx((0.7, 0.7, 0.7)) and volume.notes == ()
        np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


def test_voxel_size_in_the_tags_of_a_stack(tmp_path: Path) -> None:
    folder = stack(resolution=(1e4 / 0.5, 1e4 / 0.5), resolutionunit="CENTIMETER")(tmp_path, DATA)
    assert only(folder).voxel_size_um == pytest.approx((0.5, 0.5, 0.5), rel=1e-5)


# what else lies in a stack's folder


@pytest.mark.parametrize(
    "extra",
    ["._rec_00003.tiff", ".rec_00012.tiff.tmp.tif", "preview_0001.tif", "rec_thumbnail_3.tif",
     "average.tif", "rec_00003_mip.tif"],
)  # fmt: skip
def test_what_does_not_belong_to_a_stack_is_left_out_and_told(extra: str, tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    (folder / extra).write_bytes(b"Mac OS X resource fork" if extra.startswith(".") else b"II*\0")
    (folder / "Thumbs.db").write_bytes(b"")
    volume = only(folder)
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert volume.notes == (f"{folder}: left out, not slices of the stack: {extra}",)


def test_a_stack_of_snapshots_is_a_stack(tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    for file in folder.iterdir():
        file.rename(file.with_name(file.name.replace("rec", "snapshot")))
    np.testing.assert_array_equal(read(folder), DATA)


def test_a_number_that_is_there_twice_is_said(tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    tifffile.imwrite(folder / "rec_4.tif", DATA[4])
    with pytest.raises(SourceError, match="number 4 exists twice"):
        read(folder)


@pytest.mark.parametrize("missing", [[3], [5, 6], [1, 10]])
def test_missing_numbers_are_said(missing: list[int], tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    for number in missing:
        (folder / f"rec_{number:05d}.tiff").unlink()
    with pytest.raises(SourceError, match=f"number {missing[0] - 1} is followed by"):
        read(folder)


@pytest.mark.parametrize("kind", ["pillow", "page by page"])
def test_a_chain_of_pages_that_ends_too_early_is_said(kind: str, tmp_path: Path) -> None:
    """Zeros where the next page stands are a proper end of the chain."""
    path = (pillow() if kind == "pillow" else tiff_page_by_page)(tmp_path, DATA)
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[8].offset + 2 + 12 * len(tif.pages[8].tags)
    raw = bytearray(path.read_bytes())
    raw[end : end + 4] = bytes(4)
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=r"has 9 pages, and \d+ bytes that belong to no page"):
        read(path)
    path.write_bytes(path.read_bytes()[:end] + bytes(4 + 5000))  # as padded by some file systems
    assert only(path).shape == (9, 16, 20)


@pytest.mark.parametrize("side", [3, 4, 16])
@pytest.mark.parametrize(
    "options", [{}, {"imagej": True}, {"ome": True}, {"description": "a" * 99}]
)
def test_small_planes_are_read(side: int, options: dict[str, Any], tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(1, 255, (30, side, side), np.uint8)
    np.testing.assert_array_equal(read(tiff(**options)(tmp_path, data)), data)


@pytest.mark.parametrize("target", [150, 1000])
def test_a_strip_that_lies_among_the_tags_is_refused(target: int, tmp_path: Path) -> None:
    path = pillow()(tmp_path, DATA)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[4].tags[273].valueoffset
    raw = bytearray(path.read_bytes())
    raw[at : at + 4] = struct.pack("<I", target)
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="use the same bytes"):
        read(path)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("ome", [True, False])
def test_smaller_copies_for_viewers_are_passed_over(
    ome: bool, options: dict[str, Any], tmp_path: Path
) -> None:
    """Pyramids of SubIFDs, of the whole volume as in OME, or of each page."""
    data = noise((6, 96, 120))
    path = tmp_path / ("volume.ome.tif" if ome else "volume.tif")
    with tifffile.TiffWriter(path, ome=ome) as writer:
        for part in [data] if ome else data:
            grey = {"photometric": "minisblack", **options}
            axes = {"metadata": {"axes": "ZYX"}} if ome else {}
            writer.write(part, subifds=2, **grey, **axes)
            writer.write(part[..., ::2, ::2], subfiletype=1, **grey)
            writer.write(part[..., ::4, ::4], subfiletype=1, **grey)
    np.testing.assert_array_equal(read(path), data)


@pytest.mark.parametrize("name", ["rec_{:04d}_crop.tif", "rec ({}).TIF", "{}-rec.tiff"])
def test_numbers_within_the_name(name: str, tmp_path: Path) -> None:
    for index, plane in enumerate(DATA):
        tifffile.imwrite(tmp_path / name.format(index), plane)
    np.testing.assert_array_equal(read(tmp_path), DATA)


@pytest.mark.parametrize("count", [1, 3])
def test_a_stack_beside_the_numbered_one_is_left_out(count: int, tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    for index in range(count):
        tifffile.imwrite(folder / f"rec_{index:05d}_mask.tif", DATA[index])
    volume = only(folder)
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert len(volume.notes) == 1 and "_mask.tif" in volume.notes[0]


def test_a_pattern_with_brackets(tmp_path: Path) -> None:
    folder = stack()(tmp_path, DATA)
    np.testing.assert_array_equal(read(f"{folder}/rec_[0-9]*.tiff"), DATA)


@pytest.mark.parametrize("bits", [10, 12])
def test_odd_bits_a_pixel_are_read_or_named(bits: int, tmp_path: Path) -> None:
    """As cameras of 12 bits pack them."""
    path = tmp_path / "packed.tif"
    tifffile.imwrite(path, np.full((5, 8, 4 * bits), 255, np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for page in tif.pages:
            page.tags[256].overwrite(32)
            page.tags[258].overwrite(bits)
    if importlib.util.find_spec("imagecodecs"):
        np.testing.assert_array_equal(read(path), np.full((5, 8, 32), 2**bits - 1))
        return
    with pytest.raises(
        MissingSoftware, match=f"has {bits} bits per pixel, which needs imagecodecs"
    ):
        open_volumes([path])
