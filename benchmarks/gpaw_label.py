"""What our label costs over a bare GPAW script: an interface of 66 atoms, lithium on Li7P3S11, at the default level.

Run: ``python benchmarks/gpaw_label.py [--quick]``. The bare script and the label (structure set, gates, custodian,
GPAW in a process of its own, its density kept once a minute, ledger, artifact of inputs and logs) run one after the
other, each in a process of its own, on one thread. Goals: 1.3 times the wall time, 1 GB. CPU time, which other work on
the machine disturbs less, is printed beside it.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
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

OURS = """
import json, sys
from pathlib import Path
from ase.io import read
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.caching import stored_document
from interphase_flows.jobs.structure_sets import store_set
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
    """Of a process with everything it started; the memory is that of the largest one."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    said: dict[str, float]


def cost_of(script: str, structure: Path, cutoff_eV: float) -> Cost:
    """Run a script in a process of its own and wait for it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(structure), str(cutoff_eV)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "INTERPHASE_N_THREADS": "1"},
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    if status:
        raise SystemExit(f"a run failed (status {status}); its words are above")
    return Cost(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / 1e9,
        json.loads(said.splitlines()[-1]),
    )


def main() -> None:
    """Print seconds, memory and the ratio, or why there are none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"a cut-off of {QUICK_CUTOFF_EV:.0f} eV")
    quick = parser.parse_args().quick
    if importlib.util.find_spec("gpaw") is None:
        print(
            "GPAW is not installed, so its label is not timed: apt-get install libxc-dev libopenblas-dev "
            "libopenmpi-dev gcc, then pip install 'interphase-flows[gpaw]'"
        )
        return
    from interphase_flows.reference.spec import GpawSpec
    from interphase_flows.structures.interfaces.small_interfaces import small_interface

    interface = small_interface(max_atoms=66).atoms
    cutoff_eV = QUICK_CUTOFF_EV if quick else GpawSpec().cutoff_eV
    with tempfile.TemporaryDirectory() as folder:
        structure = Path(folder) / "interface.extxyz"
        interface.write(structure)
        bare, ours = (cost_of(script, structure, cutoff_eV) for script in (BARE, OURS))
    print(
        f"{interface.get_chemical_formula()}, {len(interface)} atoms, Gamma, {cutoff_eV:.0f} eV, one thread"
    )
    for name, cost in (("bare GPAW script", bare), ("our label", ours)):
        print(f"{name:20}{cost.wall_s:8.1f} s wall{cost.cpu_s:8.1f} s CPU{cost.peak_gb:8.2f} GB at most")
    print(
        f"our label over bare {ours.wall_s / bare.wall_s:8.3f} wall  {ours.cpu_s / bare.cpu_s:8.3f} CPU   "
        f"goal {GOAL_RATIO}; memory goal {GOAL_GB} GB"
    )
    difference_meV = 1000 * abs(ours.said["energy_eV"] - bare.said["energy_eV"]) / len(interface)
    print(f"({ours.said['n_scf_steps']} SCF steps; the energies differ by {difference_meV:.4f} meV/atom)")


if __name__ == "__main__":
    main()
