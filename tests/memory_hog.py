"""Wait for a file named after the Slurm job, then allocate more memory than the job has."""

import os
import sys
import time
from pathlib import Path

TOTAL_BYTES = 6_000_000_000
BLOCK_BYTES = 100_000_000


def main(folder: Path) -> None:
    trigger = folder / f"hog-{os.environ['SLURM_JOB_ID']}"
    while not trigger.exists():
        time.sleep(0.5)
        if os.getppid() == 1:
            return
    trigger.unlink()
    blocks = []
    while len(blocks) * BLOCK_BYTES < TOTAL_BYTES:
        blocks.append(b"\1" * BLOCK_BYTES)
    time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
