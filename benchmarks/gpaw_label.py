"""Overhead of a GPAW label over a bare GPAW script: lithium on Li7P3S11, 66 atoms, default settings.

Run: ``python benchmarks/gpaw_label.py [--quick]``. The bare script and the label (structure set, gates, GPAW in a
subprocess, its density saved once a minute, ledger, artifact of inputs and logs) run one after the other, each in a
separate process on one thread. Goals: 1.3 times the wall time, 1 GB. CPU time, which depends less on other load, is
printed as well.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

GOAL_RATIO = 1.3
GOAL_GB = 1.0
QUICK_CUTOFF_EV = 200.0

BARE = """
import json, sys
from ase.io import read
from gpaw import GPAW, PW
atoms = read(sys.argv[1])
atoms.calc = GPAW(
    mode=PW(float(sys.argv[2])),
    xc="PBE",
    kpts={"size": [1, 1, 1], "gamma": True},
    occupations={"name": "fermi-dirac", "width": 0.1},
    convergence={"energy": 1e-5, "density": 1e-4},
    txt=sys.argv[1] + ".txt",
)
energy = atoms.get_potential_energy(force_consistent=True)
forces, stress = atoms.get_forces(), atoms.get_stress()
print(json.dumps({"energy_eV": energy}))
"""

LABEL = """
import json, sys
from pathlib import Path
from ase.io import read
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.caching import stored_document
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
settings = Settings(root=Path(sys.argv[1]).parent / "runs", n_threads=1)
maker = LabelMaker(reference=GpawSpec(cutoff_eV=float(sys.argv[2]), gamma_above_atoms=1))
with Workspace(settings, "bench") as workspace, use_workspace(workspace):
    structures = store_set("set", "bench", [read(sys.argv[1])], ["interface/bench"])
    batch = LabelMaker.make.original(maker, structures, [0])
    label = stored_document("labels", [*batch.accepted, *batch.rejected][0], LabelDoc)
if label.status == "rejected":
    sys.exit(f"the label was rejected: {label.reason}: {label.explanation}")
print(json.dumps({"energy_eV": label.energy_eV, "n_scf_steps": label.details["n_scf_steps"]}))
"""


@dataclass(frozen=True)
class Cost:
    """Cost of a process and its children; the memory is that of the largest process."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    result: dict[str, float]


def cost_of(script: str, structure: Path, cutoff_eV: float) -> Cost:
    """Run a script in a separate process and return its cost."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(structure), str(cutoff_eV)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "INTERPHASE_N_THREADS": "1"},
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        raise SystemExit(f"a run failed (status {status}); see its output above")
    return Cost(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / 1e9,
        json.loads(output.splitlines()[-1]),
    )


def main() -> None:
    """Print seconds, memory and the ratio, or why GPAW is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"a cutoff of {QUICK_CUTOFF_EV:.0f} eV")
    quick = parser.parse_args().quick
    if importlib.util.find_spec("gpaw") is None:
        print(
            "GPAW is not installed. Hint: apt-get install libxc-dev libopenblas-dev libopenmpi-dev gcc, then "
            "pip install 'interphase-flows[gpaw]'"
        )
        return
    from interphase_flows.reference.spec import GpawSpec
    from interphase_flows.structures.interfaces.small_interfaces import SMALLEST, small_interface

    interface = small_interface(replace(SMALLEST, max_atoms=66)).atoms
    cutoff_eV = QUICK_CUTOFF_EV if quick else GpawSpec().cutoff_eV
    with tempfile.TemporaryDirectory() as folder:
        structure = Path(folder) / "interface.extxyz"
        interface.write(structure)
        bare, label = (cost_of(script, structure, cutoff_eV) for script in (BARE, LABEL))
    print(f"{interface.get_chemical_formula()}, {len(interface)} atoms, Gamma, {cutoff_eV:.0f} eV, one thread")
    for name, cost in (("bare GPAW script", bare), ("label", label)):
        print(f"{name:20}{cost.wall_s:8.1f} s wall{cost.cpu_s:8.1f} s CPU{cost.peak_gb:8.2f} GB peak")
    print(
        f"label over bare     {label.wall_s / bare.wall_s:8.3f} wall  {label.cpu_s / bare.cpu_s:8.3f} CPU   "
        f"goal {GOAL_RATIO}; memory goal {GOAL_GB} GB"
    )
    difference_meV = 1000 * abs(label.result["energy_eV"] - bare.result["energy_eV"]) / len(interface)
    print(f"({label.result['n_scf_steps']} SCF steps; the energies differ by {difference_meV:.4f} meV/atom)")


if __name__ == "__main__":
    main()
