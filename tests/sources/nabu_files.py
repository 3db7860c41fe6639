"""Volumes written as nabu writes them, by its own writers, a few slices at a time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nabu.io.writer import merge_hdf5_files
from nabu.pipeline.fullfield.reconstruction import FullFieldReconstructor
from nabu.pipeline.writer import WriterManager

VOXEL_UM = 0.65
ENTRY = "entry0000"


class Reconstruction:
    """One volume of nabu in `folder`; `data` is (nz, ny, nx), float32.

    `form` is nabu's `file_format`, or "tiff3d" for one file with many pages.
    """

    def __init__(self, folder: Path, name: str, form: str, data: Any, start_z: int = 0) -> None:
        self.folder = folder
        self.name = name
        self.form = form
        self.data = data
        self.start_z = start_z
        self._begun = False
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> Path:
        """What `publish` opens once the volume is complete."""
        endings = {"hdf5": ".hdf5", "vol": ".vol", "tiff3d": ".tiff", "ome-zarr": ""}
        return self.folder / (self.name + endings.get(self.form, f"_*.{self.form}"))

    def write(self, start: int, stop: int) -> None:
        """Slices `start` to `stop`, as a task of nabu's pipeline does."""
        options: dict[str, Any] = {
            "writer_initialized": self._begun,
            "single_output_file_initialized": self._begun,
            "tiff_single_file": self.form == "tiff3d",
            "raw_vol_metadata": {"voxelSize": VOXEL_UM},
            "zarr_options": {"dtype": "float32", "chunks": (4, 8, 8), "shards": (4, 8, 8)},
            "volume_final_shape": self.data.shape,
            "volume_translation": (0.0, 0.0, 0.0),
            "volume_scale": (VOXEL_UM,) * 3,  # nabu's pixel size is in micrometres
        }
        writer = WriterManager(
            str(self.folder),
            self.name,
            file_format="tiff" if self.form == "tiff3d" else self.form,
            start_index=self.start_z + start,
            overwrite=True,
            metadata={"entry": ENTRY, "process_name": "reconstruction", "nabu_config": {}},
            extra_options=options,
        )
        writer.write_data(self.data[start:stop])
        self._begun = True

    def finish(self) -> None:
        """What nabu writes last: the file that joins the others, or that with the metadata."""
        options = {"reconstruction": {"voxel_size_cm": VOXEL_UM * 1e-4}}
        times = {"start_time": "2026-03-01T12:00:00+01:00", "end_time": "2026-03-01T12:03:00+01:00"}
        config = {"processing_options": options, "acquisition": times}
        if self.form == "hdf5":
            parts = sorted(path.name for path in (self.folder / self.name).glob("*.hdf5"))
            merge_hdf5_files(
                [f"{self.name}/{part}" for part in parts],
                f"{ENTRY}/reconstruction/results/data",
                str(self.path),
                "reconstruction",
                output_entry=ENTRY,
                config=config,
                base_dir=str(self.folder),
                overwrite=True,
            )
        elif self.form != "ome-zarr":
            saved = {"save": {"location": str(self.folder), "file_prefix": self.name}}
            FullFieldReconstructor.write_metadata_file(
                SimpleNamespace(
                    process_config=SimpleNamespace(processing_options=saved),
                    _get_reconstruction_metadata=lambda: config,
                )
            )
