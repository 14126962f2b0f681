"""A script in place of GPAW, and what a label records about its attempts."""

import io
import sys
import tarfile
from pathlib import Path

from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace
from label_one_crystal import CAMPAIGN

STAND_IN = """#!{python}
# Replaces GPAW in tests and writes malformed output.
import hashlib, json, sys
from pathlib import Path
folder = Path(sys.argv[-1])
task = json.loads((folder / "input.json").read_text())
n = len(task["numbers"])
good = {{"key": task["key"], "is_scf_converged": True, "free_energy_eV": -1.0, "extrapolated_energy_eV": -1.0,
        "forces_eV_per_angstrom": [[0.0] * 3] * n, "stress_eV_per_angstrom3": [0.0] * 6, "n_scf_steps": 1,
        "n_k_points": 1, "n_electrons": 8.0, "n_bands": 4, "peak_memory_gb": 0.1, "started_from_density": False}}
def write(text):
    digest = hashlib.sha256(b"result.json" + text.encode()).hexdigest()
    (folder / "result.json").write_text('{{"sha256": "%s", "document": %s}}\\n' % (digest, text))
{action}
"""


def stand_in(folder: Path, action: str) -> str:
    """Write a script that performs an action instead of GPAW, and return its path."""
    path = folder / "malformed_output_instead_of_gpaw"
    path.write_text(STAND_IN.format(python=sys.executable, action=action))
    path.chmod(0o755)
    return str(path)


def actions(label: LabelDoc) -> list[str]:
    """Return the actions of all corrections, none of which changes the theory."""
    assert not any(correction.changes_theory for correction in label.corrections)
    return [action for correction in label.corrections for action in correction.actions]


def kept_files(root: Path, label: LabelDoc) -> dict[str, str]:
    """Return inputs and logs of a label by name, from the artifact in its document."""
    assert label.files is not None
    with Workspace(Settings(root=root), CAMPAIGN, read_only=True) as workspace:
        packed = workspace.artifacts.get(label.files).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode(errors="replace") for member in archive.getmembers()
        }
