"""Lattice constants of a reference method against experiment: the first thing to look at before trusting one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobflow import Flow, Maker

from interphase_flows.campaigns.schema import GateSpec
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.lattice_constants import LatticeConstantsMaker, ScaledCrystalsMaker
from interphase_flows.references.spec import ChgnetSpec, MethodSpec


@dataclass
class LatticeConstantsFlowMaker(Maker):
    """Label crystals at several volumes, and fit Birch and Murnaghan's equation of state.

    The shape of a cell and its fractional coordinates stay those of the start, so the c/a ratio of a hexagonal
    crystal is not fitted; the stress left at the minimum says how far it is from its own.

    Parameters
    ----------
    reference
        Reference method.
    gates
        Limits beyond which a label does not count.
    scaled_crystals_maker
        How many volumes, how far apart.
    """

    name: str = "lattice constants"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    gates: GateSpec = field(default_factory=GateSpec)
    scaled_crystals_maker: ScaledCrystalsMaker = field(default_factory=ScaledCrystalsMaker)

    def make(self, phases: Sequence[str]) -> Flow:
        """Return the flow; its output is an AnalysisDoc."""
        scaled = self.scaled_crystals_maker.make(phases)
        n = len(phases) * self.scaled_crystals_maker.n_volumes
        labels = LabelMaker(reference=self.reference, gates=self.gates).make(scaled.output, list(range(n)))
        fitted = LatticeConstantsMaker().make(labels.output)
        return Flow([scaled, labels, fitted], output=fitted.output, name=self.name)
