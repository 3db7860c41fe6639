"""Broken messages by the million, and broken recordings: `python -m tests.studies.fuzz [--messages
N]`.

Ends with an error at the first that does more than being counted.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.studies.fuzz.decoders import DECODERS, fuzz
from tests.studies.fuzz.live import fuzz_engine
from tests.studies.fuzz.recordings import fuzz_hostile, fuzz_recordings
from tests.studies.fuzz.texts import fuzz_texts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.studies.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="for each of both parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recordings", type=int, default=50, help="how many recordings to break")
    kinds = ["decoders", "texts", "engine", "recordings", "hostile"]
    parser.add_argument("--only", choices=kinds)
    given = parser.parse_args()
    if given.only in (None, "decoders"):
        for name in DECODERS:
            print(f"{name}: {fuzz(name, given.messages // len(DECODERS), given.seed)}", flush=True)
    if given.only in (None, "texts"):
        print(f"texts: {dict(fuzz_texts(given.messages // 10, given.seed))}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pitwatch-fuzz-") as folder:
        if given.only in (None, "recordings"):
            outcomes = fuzz_recordings(Path(folder), given.recordings, given.seed)
            print(f"recordings: {dict(outcomes)}", flush=True)
        if given.only in (None, "hostile"):
            count = fuzz_hostile(Path(folder), say)
            print(f"hostile recordings: {count} commands ended in order", flush=True)
        if given.only in (None, "engine"):
            print(fuzz_engine(Path(folder), given.messages, given.seed, say), flush=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
