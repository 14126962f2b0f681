"""Lattice constants of a reference method, compared with experiment."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobflow import Flow, Maker

from interphase_flows.datasets.gates import Gates
from interphase_flows.jobs.labels import LabelMaker, gather_labels
from interphase_flows.jobs.lattice_constants import LatticeConstantsMaker, ScaledCrystalsMaker
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.structures.crystals.perturb import linear_strains

DENSITY = "k_density_per_inverse_angstrom"


@dataclass
class LatticeConstantsFlowMaker(Maker):
    """Label crystals at several volumes and fit the Birch-Murnaghan equation of state.

    Cell shape and fractional coordinates are fixed, so the c/a ratio of a hexagonal crystal is not fitted; the
    anisotropic stress at the minimum shows its error.
    """

    name: str = "lattice constants"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    gates: Gates = field(default_factory=Gates)
    scaled_crystals_maker: ScaledCrystalsMaker = field(default_factory=ScaledCrystalsMaker)

    def make(self, phases: Sequence[str]) -> Flow:
        """Return the flow; its output is a LatticeConstantsDoc."""
        maker = self.scaled_crystals_maker
        scaled = maker.make(phases)
        labels = []
        for place, strain in enumerate(linear_strains(maker.n_volumes, maker.max_strain)):
            of_all_phases = [place + maker.n_volumes * phase for phase in range(len(phases))]
            labeller = LabelMaker(reference=with_mesh_of_unstrained_cell(self.reference, strain), gates=self.gates)
            labels.append(labeller.make(scaled.output, of_all_phases))
        gathered = gather_labels([each.output for each in labels])
        fitted = LatticeConstantsMaker().make(gathered.output)
        return Flow([scaled, *labels, gathered, fitted], output=fitted.output, name=self.name)


def with_mesh_of_unstrained_cell(reference: MethodSpec, strain: float) -> MethodSpec:
    """Return the method with the k-point density that gives a strained cell the mesh of the unstrained cell.

    At constant density the number of k-points changes along the curve, and the energy jumps there.
    """
    density = getattr(reference, DENSITY, None)
    return reference if density is None else reference.model_copy(update={DENSITY: density * (1.0 + strain)})
