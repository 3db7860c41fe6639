"""The beamline as a process of its own, that may be killed. Started again, it is a new session, and
begins the scan again in which it was killed.

`python -m tests.studies.kills.producer SLICES RESEND READINGS SCANS SCAN_S PROGRESS`.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from tests.studies.kills.beamline import Beamline


def main() -> None:
    """Send from where the file of progress says, until standard input ends."""
    slices, resend, readings, scans, scan_s, progress = sys.argv[1:]
    path = Path(progress)
    done = int(path.read_text()) if path.exists() else 0

    def finished(number: int) -> None:
        new = path.with_suffix(".new")
        new.write_text(str(number))
        new.replace(path)

    beamline = Beamline(
        slices,
        resend,
        readings,
        int(scans),
        float(scan_s),
        done_before=done,
        session=uuid.uuid4().hex,
        finished=finished,
    )
    beamline.begin()
    sys.stdin.read()
    beamline.close()


if __name__ == "__main__":
    main()
