"""A cell as the screen would see it: a foil with growing pits, made up without any kernel."""

import numpy as np

from monitor.faraday import thickness_um
from monitor.records import CyclerReading, Pit, ScanKey, ScanResult, ScanStart

T0 = 1_760_000_000.0
PERIOD_S = 1800.0
SCAN_S = 240.0
CURRENT_MA_CM2 = 0.55
AREA_CM2 = 0.19635
FOIL_UM = 125.0


class Cell:
    """Scans 0, 1, 2, … of one made-up cell. `voxel_um` None: lengths are in voxels."""

    def __init__(self, name="A", shape=(60, 120, 160), voxel_um=0.717, pits=25, seed=1):
        rng = np.random.default_rng(seed)
        self.name, self.shape, self.voxel_um = name, shape, voxel_um
        self.unit = voxel_um or 1.0
        ny, nx = shape[1:]
        self.centres = rng.uniform(0.04, 0.96, (pits, 2)) * (ny, nx)
        self.births = np.sort(rng.integers(1, 5, pits))
        self.sizes = rng.uniform(0.6, 1.0, pits)
        self.foil = 0.55 * shape[0]
        self.rough = _smooth(rng.normal(0, 1.0, (ny, nx)), 6) * 1.2
        self.noise = rng
        self.yx = np.mgrid[:ny, :nx]

    def start(self, scan, reason=None, request=""):
        begin = T0 + scan * PERIOD_S
        return ScanStart(
            ScanKey(self.name, "run", scan),
            stream="s",
            msg_number=0,
            reason=reason or ("periodic" if scan else "reference"),
            request=request,
            axis="z",
            volume_shape=self.shape,
            dtype="uint16",
            voxel_size_um=(self.voxel_um,) * 3 if self.voxel_um else None,
            start_time=begin,
            stop_time=begin + SCAN_S,
        )

    def removal(self, scan):
        """Removed thickness in voxels: a plateau that recedes slowly, and lens-shaped pits."""
        removed = np.full(self.shape[1:], 0.8 * scan)
        labels = np.zeros(self.shape[1:], np.int32)
        for number, (centre, birth, size) in enumerate(
            zip(self.centres, self.births, self.sizes, strict=True), start=1
        ):
            age = scan - birth + 1
            if age <= 0:
                continue
            radius = 3.0 + 1.6 * size * age
            distance = np.hypot(*(self.yx - centre[:, None, None])) / radius
            depth = 2.6 * size * age * np.sqrt(np.clip(1 - distance**2, 0, None))
            labels[(depth > 1) & (labels == 0)] = number
            removed = np.maximum(removed, depth + 0.8 * scan)
        return removed, labels

    def result(self, scan, provisional=False, reason=None, request=""):
        removed, labels = self.removal(scan)
        noise = _smooth(self.noise.normal(0, 0.6, removed.shape), 1)
        height = (self.foil + self.rough - removed + noise) * self.unit
        hole = np.hypot(*(self.yx - np.array(removed.shape)[:, None, None] * (0.12, 0.9)[0])) < 6
        height[hole] = np.nan
        charge = CURRENT_MA_CM2 * scan * PERIOD_S / 3600
        maps = {"height": height, "bottom": np.full_like(height, 2.0 * self.unit)}
        pits = ()
        if not provisional:
            maps["height_error"] = np.full_like(height, 0.3 * self.unit) + 0.1 * np.abs(noise)
            maps["removal"] = (removed + noise) * self.unit
            if scan:
                j = CURRENT_MA_CM2 * removed / removed.mean()
                maps |= {"cumulative": j, "absolute": j * 1.05, "running": j, "interval": j}
            pits = tuple(self.pits(scan, labels, removed))
        start = self.start(scan, reason, request)
        ledger = np.ones(start.slice_count, np.uint8)
        ledger[len(ledger) // 2 if provisional else len(ledger) :] = 0
        summary = {} if provisional else self.summary(scan, charge, removed, pits)
        return ScanResult(
            start,
            provisional,
            not provisional,
            ledger,
            {name: array.astype(np.float32) for name, array in maps.items()},
            None if provisional else labels,
            pits,
            summary,
        )

    def pits(self, scan, labels, removed):
        for number in np.unique(labels[labels > 0]):
            inside = labels == number
            y, x = np.argwhere(inside).mean(axis=0) * self.unit
            depth = (removed[inside] - 0.8 * scan) * self.unit
            area = inside.sum() * self.unit**2
            width = 2 * np.sqrt(area / np.pi)
            birth = int(self.births[number - 1])
            yield Pit(
                int(number), -1, birth, x, y, area, width, depth.max(), depth.mean(),
                depth.mean() * area, 2.0, 1e-9, 0.1,
            )  # fmt: skip

    def summary(self, scan, charge, removed, pits):
        word = "um" if self.voxel_um else "voxel"
        averaged, complete = removed.mean() * self.unit, 0.8 * scan * self.unit
        return {
            "charge_mAh_cm2": charge,
            "charge_mAh": charge * AREA_CM2,
            "current_mA_cm2": CURRENT_MA_CM2,
            "mean_current_mA_cm2": CURRENT_MA_CM2,
            "soc": 1 - scan / 8,
            "step": "discharge",
            "discharge": 1 if scan else None,
            "coulometry_um": thickness_um(charge),
            f"averaged_{word}": averaged,
            f"averaged_error_{word}": 0.3,
            f"complete_{word}": complete,
            f"complete_error_{word}": 0.4,
            "closure": averaged / thickness_um(charge) if scan and self.voxel_um else None,
            "pit_count": len(pits),
            f"pit_depth_max_{word}": max((pit.depth_max for pit in pits), default=None),
            f"noise_{word}": 0.3,
            "valid_fraction": 0.99,
            "cnr": 3.1,
            "slices_missing": 0,
        }

    def section(self, scan, axis, index):
        """Grey levels (nz, n) uint16: dark lithium under brighter electrolyte."""
        removed, _ = self.removal(scan)
        top = 2.0 + self.foil + self.rough - removed
        line = top[index] if axis == "y" else top[:, index]
        z = np.arange(self.shape[0])[:, None]
        grey = 900 + 300 / (1 + np.exp(-(z - line) / 0.7)) + 900 * (z < 2)
        return (grey + self.noise.normal(0, 60, grey.shape)).astype(np.uint16)

    def readings(self, until):
        """A reading each minute of cell time up to `until` (UTC s)."""
        for t in np.arange(T0 - 600, until, 60.0):
            hours = (t - T0) / 3600
            discharging = hours >= 0
            yield CyclerReading(
                self.name,
                float(t),
                2.4 - 0.12 * max(hours, 0) - 0.15 * np.exp(-max(hours, 0) * 4)
                if discharging
                else 2.45,
                -CURRENT_MA_CM2 * AREA_CM2 if discharging else 0.0,
                max(hours, 0) * CURRENT_MA_CM2 * AREA_CM2,
            )


def _smooth(values, width):
    kernel = np.exp(-0.5 * (np.arange(-3 * width, 3 * width + 1) / width) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    for axis in (0, 1):
        values = np.apply_along_axis(np.convolve, axis, values, kernel, mode="same")
    return values
