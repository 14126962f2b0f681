"""Files of recorded VASP outputs; fast to import, for the stand-in of VASP's executable."""

import gzip
import lzma
import os
from pathlib import Path

VARIABLE = "INTERPHASE_VASP_RECORDS"


def record_text(name: str) -> str:
    """Return the text of a file, such as `converged_vasprun.xml`."""
    folder = Path(os.environ[VARIABLE])
    if (folder / f"{name}.gz").is_file():
        return gzip.decompress((folder / f"{name}.gz").read_bytes()).decode()
    return lzma.decompress((folder / f"{name}.xz").read_bytes()).decode()
