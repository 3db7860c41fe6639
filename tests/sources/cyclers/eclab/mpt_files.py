"""EC-Lab text files made for tests: every way of writing one that is seen in the field."""

from __future__ import annotations

NAMES = (
    "mode", "ox/red", "Ns", "time/s", "dq/mA.h", "(Q-Qo)/mA.h", "Ewe/V", "half cycle",
    "Capacitance charge/µF", "<I>/mA", "cycle number",
)  # fmt: skip
CURRENT_MA = -0.25


def mpt_text(
    *,
    rows: int = 12,
    step_s: float = 10.0,
    header: int | None = 9,
    comma: bool = False,
    newline: str = "\r\n",
    without: tuple[str, ...] = (),
    renamed: dict[str, str] | None = None,
    first_row: int = 0,
) -> bytes:
    """A constant-current file, windows-1252, with `header` lines in all (at least 3) or none."""
    names = [name for name in NAMES if name not in without]
    lines = _header(header) if header else []
    lines.append("\t".join((renamed or {}).get(name, name) for name in names) + "\t")
    for row in range(first_row, first_row + rows):
        values = _values(row, step_s)
        text = "\t".join(f"{values[name]:.15E}" for name in names)
        lines.append(text.replace(".", ",") if comma else text)
    return (newline.join(lines) + newline).encode("cp1252")


def _header(count: int) -> list[str]:
    told = [
        "",
        "Galvanostatic Cycling with Potential Limitation",
        "Acquisition started on : 01/10/2024 11:02:29.886",
        "Electrode material : µ-porous",
        "Electrode surface area : 0.001 cm²",
        "Acquisition started at : xo = 0.000",
    ]
    return ["EC-Lab ASCII FILE", f"Nb header lines : {count}                ", *told[: count - 3]]


def _values(row: int, step_s: float) -> dict[str, float]:
    dq_mAh = CURRENT_MA * step_s / 3600.0 if row else 0.0
    return {
        "mode": 1.0,
        "ox/red": 0.0,
        "Ns": 1.0,
        "time/s": row * step_s,
        "dq/mA.h": dq_mAh,
        "(Q-Qo)/mA.h": CURRENT_MA * row * step_s / 3600.0,
        "Ewe/V": 2.4 - 0.001 * row,
        "half cycle": float(row // 5),
        "Capacitance charge/µF": 0.0,
        "<I>/mA": CURRENT_MA if row else 0.0,
        "cycle number": float(row // 10),
    }
