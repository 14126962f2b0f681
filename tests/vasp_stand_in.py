"""A stand-in for VASP's executable, for tests only: it computes nothing and replays a genuine record.

``VASP_STAND_IN`` holds a JSON list of acts, one per launch in a folder, the last one again for every launch after:

``{"say": text}``              print a line, as VASP prints its complaints
``{"replay": name}``           write the record's vasprun.xml (and OUTCAR where there is one)
``{"cut": fraction}``          only so much of vasprun.xml
``{"until_stopcar": true}``    wait for STOPCAR, then leave WAVECAR and CHGCAR
``{"announce": fifo}``         write the process id to a FIFO, then wait for a signal
``{"announce_end": fifo}``     the same after the last output
``{"allocate_gb": n}``         take so much memory
``{"status": n}``              exit status
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from vasp_record_files import record_text


def main() -> int:
    """Play the act of this launch."""
    with Path("stand_in_launches").open("a+") as launches:
        launches.write("launch\n")
        launches.seek(0)
        n_before = len(launches.readlines()) - 1
    acts = json.loads(os.environ["VASP_STAND_IN"])
    act = acts[min(n_before, len(acts) - 1)]
    shutil.copy("INCAR", f"INCAR.launch{n_before}")
    if "say" in act:
        print(act["say"], flush=True)
    if "allocate_gb" in act:
        bytearray(int(act["allocate_gb"] * 1e9))
    if "announce" in act:
        Path(act["announce"]).write_text(str(os.getpid()))
        signal.pause()
    if act.get("until_stopcar"):
        while not Path("STOPCAR").exists():
            time.sleep(0.01)
        Path("WAVECAR").write_text("wave functions would be here")
        Path("CHGCAR").write_text("a density would be here")
    if "replay" in act:
        text = record_text(f"{act['replay']}_vasprun.xml")
        Path("vasprun.xml").write_text(text[: int(len(text) * act.get("cut", 1.0))])
        if act["replay"] == "converged":
            Path("OUTCAR").write_text(record_text("converged_OUTCAR"))
        Path("OSZICAR").touch()
        shutil.copy("POSCAR", "CONTCAR")
    if "announce_end" in act:
        Path(act["announce_end"]).write_text(str(os.getpid()))
        signal.pause()
    return act.get("status", 0)


if __name__ == "__main__":
    sys.exit(main())
