"""Label one crystal by GPAW in a workspace: ``python label_one_crystal.py ROOT``."""

import sys
from pathlib import Path

from interphase_flows.datasets.gates import Gates
from interphase_flows.jobs.label_structure import cached_label, label_key
from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from interphase_flows.structures.structure_keys import structure_key
from real_gpaw import lithium_phosphide

CAMPAIGN = "faults"
ATOMS = lithium_phosphide()
ENTRY = StructureEntry(key=structure_key(ATOMS), origin="crystal/Li3P", formula="Li3P", n_atoms=len(ATOMS))
SPEC = GpawSpec(cutoff_eV=300.0, k_density_per_inverse_angstrom=1.5)
"""Level of theory whose SCF takes seconds, in nine steps."""


def label_in(root: Path, spec: GpawSpec = SPEC, **settings: object) -> LabelDoc:
    """Label with the ledger and work folder of a campaign, as a job does."""
    here = Settings(root=root, n_threads=1, **settings)
    with Workspace(here, CAMPAIGN) as workspace, use_workspace(workspace):
        return cached_label(GPAWMethod(spec, here), Gates(), ATOMS, ENTRY)


def folder_in(root: Path, spec: GpawSpec = SPEC) -> Path:
    """Return the work folder of that label."""
    method = GPAWMethod(spec, Settings(root=root))
    key = label_key(ENTRY.key, method.identity.key, Gates())
    return root / CAMPAIGN / "work" / "labels" / key


if __name__ == "__main__":
    label_in(Path(sys.argv[1]))
