"""Stand-in for VASP's executable in tests: replays recorded outputs.

``VASP_STAND_IN`` is a JSON list of acts, one per run in a folder; the last one repeats:

``{"print": text}``            print a line, such as an error message of VASP
``{"replay": name}``           write vasprun.xml of a record (and OUTCAR if it has one)
``{"cut": fraction}``          write only this fraction of vasprun.xml
``{"until_stopcar": true}``    wait for STOPCAR, then leave WAVECAR and CHGCAR
``{"announce": fifo}``         write the process id to a FIFO, then wait for a signal
``{"announce_end": fifo}``     the same after the last output
``{"allocate_gb": n}``         allocate memory
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
    """Perform the act of this run."""
    with Path("stand_in_runs").open("a+") as runs:
        runs.write("run\n")
        runs.seek(0)
        n_before = len(runs.readlines()) - 1
    acts = json.loads(os.environ["VASP_STAND_IN"])
    act = acts[min(n_before, len(acts) - 1)]
    shutil.copy("INCAR", f"INCAR.run{n_before}")
    if "print" in act:
        print(act["print"], flush=True)
    if "allocate_gb" in act:
        bytearray(int(act["allocate_gb"] * 1e9))
    if "announce" in act:
        Path(act["announce"]).write_text(str(os.getpid()))
        signal.pause()
    if act.get("until_stopcar"):
        while not Path("STOPCAR").exists():
            time.sleep(0.01)
        Path("WAVECAR").write_text("wave functions")
        Path("CHGCAR").write_text("density")
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
