"""Wait for a file named after the Slurm job, then take more memory than the job was given: a leak, on demand."""

import os
import sys
import time
from pathlib import Path

TAKEN_BYTES = 6_000_000_000
AT_A_TIME_BYTES = 100_000_000


def main(folder: Path) -> None:
    wanted = folder / f"hog-{os.environ['SLURM_JOB_ID']}"
    while not wanted.exists():
        time.sleep(0.5)
        if os.getppid() == 1:
            return
    wanted.unlink()
    taken = []
    while len(taken) * AT_A_TIME_BYTES < TAKEN_BYTES:
        taken.append(b"\1" * AT_A_TIME_BYTES)
    time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
