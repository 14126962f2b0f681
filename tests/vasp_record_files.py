"""Files of genuine outputs of VASP, where there are any; quick to load, for the stand-in of VASP's executable."""

import gzip
import lzma
import os
from pathlib import Path

VARIABLE = "INTERPHASE_VASP_RECORDS"


def record_text(name: str) -> str:
    """Return a record's text, `converged_vasprun.xml` and the like."""
    folder = Path(os.environ[VARIABLE])
    if (folder / f"{name}.gz").is_file():
        return gzip.decompress((folder / f"{name}.gz").read_bytes()).decode()
    return lzma.decompress((folder / f"{name}.xz").read_bytes()).decode()
