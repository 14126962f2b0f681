"""Files of recorded VASP outputs; fast to import, for the stand-in of VASP's executable."""

import gzip
import lzma
from pathlib import Path

RECORDS = Path(__file__).parent / "data" / "vasp_records"


def record_text(name: str) -> str:
    """Return the text of a file, such as `converged_vasprun.xml`."""
    if (RECORDS / f"{name}.gz").is_file():
        return gzip.decompress((RECORDS / f"{name}.gz").read_bytes()).decode()
    return lzma.decompress((RECORDS / f"{name}.xz").read_bytes()).decode()
