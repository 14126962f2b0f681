"""Results of the analysis of phases: labels, domains, diffraction, order, and bond networks across the interphase."""

from collections.abc import Iterator, Mapping

from interphase_flows.analysis.growth.phase_kinetics import AverageShareKinetics, ShareKinetics
from interphase_flows.analysis.phases.orientation import Orientation
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.speciation.results import AnionsAverage, AnionsResult, ReactionsResult
from interphase_flows.analysis.statistics.estimate import Estimate, Number


class ElementRoles(Result):
    """Elements by their role in the interphase."""

    mobile_cations: list[str]
    network_formers: list[str]
    anion_formers: list[str]


class BondLengths(Result):
    """Longest bonds, measured in the trajectory, Å."""

    former_ligand: float
    former_former: float
    ligand_ligand: float
    cation_ligand: float


class LabelShares(Result):
    """Fractions of atoms by label, over the last third of the labelled frames."""

    n_frames: int
    n_atoms: Number
    shares: dict[str, Estimate]


class LabelsResult(Result):
    """Labels of atoms in the cell and in each interphase."""

    names: list[str]
    n_labelled: int
    slab_angstrom: float
    entire_cell: LabelShares
    sides: dict[str, LabelShares | Unavailable] | Unavailable


class ReferencesSummary(Result):
    """Phase references that atoms were compared with."""

    made_by: str
    temperature_K: float
    phases: list[str]
    recognised_by_bonds: list[str]
    """Phases that are recognised by their bonds."""
    left_out: Mapping[str, Mapping[str, float]]
    """By phase: labels of its anions in runs that were left out of the training."""
    notes: list[str]


class NetworkCrossing(Result):
    """Whether a network of bonds crosses one interphase, and the resulting type of conduction."""

    n_frames: int
    n_too_thin: int
    crossing_share: list[float]
    """By cutoff: fraction of the frames in which a network crosses."""
    largest_share: list[float]
    """By cutoff: fraction of the atoms in the largest cluster."""
    onset_angstrom: float | None
    """Shortest cutoff at which a network crosses."""
    state: str
    """``ionic``, ``mixed-conducting`` or ``undecided``."""
    reason: str


class PercolationResult(Result):
    """Networks of bonds between mobile cations and network formers, by interface."""

    pair: str
    cutoffs_angstrom: list[float]
    bond_angstrom: float
    sides: dict[str, NetworkCrossing | Unavailable]


class Domain(Result):
    """One crystalline domain."""

    n_anions: int
    diameter_angstrom: float
    """Diameter of the sphere with the volume of as many anions in the crystal."""
    meets_its_image: bool
    """Whether it continues through the periodic boundary, so that its size is a lower limit."""
    orientation: Orientation | None = None


class ScherrerSize(Result):
    """Size of a domain from the width of a diffraction line."""

    line_deg: float
    found_at_deg: float
    width_deg: float
    diameter_angstrom: float
    diameter_by_volume_angstrom: float


class PhaseDomains(Result):
    """Crystalline domains of one phase in the last frame, the largest first."""

    n_domains: int
    n_anions: int
    mean_diameter_angstrom: float
    domains: list[Domain]
    scherrer: ScherrerSize | Unavailable


class DiffractionResult(Result):
    """Powder diffraction of the end of the trajectory; the pattern itself is in the arrays."""

    n_frames: int
    n_spheres: int
    sphere_angstrom: float
    limit: str
    """Limits by the size of the spheres and of the cell."""
    lines: dict[str, list[tuple[float, float]]]
    """By phase: 2 theta in degrees (Cu K-alpha) and intensity, the strongest being 100."""


class PairOrder(Result):
    """Translational order tau of a pair of elements in the first and the last window."""

    start: float
    end: float
    change: Estimate


class OrderResult(Result):
    """Translational order against time."""

    r_angstrom: float
    frames_per_window: float
    pairs: dict[str, PairOrder]


class SharesKinetics(Result):
    """Kinetics of the fractions of anions and phases."""

    depletion_measure: str
    """Quantity that measures the depletion of the two sides."""
    shares: dict[str, dict[str, ShareKinetics | Unavailable]]
    """By group of atoms, then by label."""

    def fitted(self) -> Iterator[tuple[str, str, ShareKinetics]]:
        """Yield group of atoms, label and kinetics of every share that has a law."""
        for group, laws in self.shares.items():
            for name, law in laws.items():
                if isinstance(law, ShareKinetics):
                    yield group, name, law


class PhaseAmount(Result):
    """Amount of one phase at the end of the run."""

    atom_fraction: Estimate
    """Fraction of the atoms of the cell."""
    interphase_fraction: dict[str, Estimate]
    """Fraction of the atoms of each interphase."""


class PhasesResult(Result):
    """Anions and phases in one trajectory."""

    phases: dict[str, PhaseAmount]
    """By label in lower case, without spaces: ``li2s``, ``li3p``, ``amorphous``."""
    roles: ElementRoles
    bonds_angstrom: BondLengths
    anions: AnionsResult
    reactions: dict[str, ReactionsResult | Unavailable]
    """By role of the atoms that are followed."""
    labels: LabelsResult | Unavailable
    references: ReferencesSummary | Unavailable
    percolation: PercolationResult | Unavailable
    domains: dict[str, PhaseDomains] | Unavailable
    diffraction: DiffractionResult
    order: OrderResult
    kinetics: SharesKinetics


class AverageShares(Result):
    """Fractions of atoms by label over replicas."""

    n_replicas: int
    shares: dict[str, Estimate]


class AverageLabels(Result):
    """Labels of atoms over replicas."""

    entire_cell: AverageShares
    sides: dict[str, AverageShares | Unavailable] | Unavailable


class AverageCrossing(Result):
    """Crossing of one interphase by a network, over replicas."""

    n_replicas: int
    crossing_share: list[Estimate]
    onset_angstrom: float | None
    state: str
    reason: str


class AveragePercolation(Result):
    """Networks of bonds over replicas."""

    pair: str
    cutoffs_angstrom: list[float]
    bond_angstrom: float
    sides: dict[str, AverageCrossing | Unavailable]


class AverageDomains(Result):
    """Crystalline domains of one phase over replicas."""

    n_domains: Estimate
    mean_diameter_angstrom: Estimate


class AverageOrder(Result):
    """Translational order over replicas, by pair of elements."""

    start: dict[str, Estimate]
    end: dict[str, Estimate]


class PhasesAverage(Result):
    """Anions and phases over replicas."""

    phases: dict[str, PhaseAmount]
    """By label in lower case, without spaces."""
    n_replicas: int
    notes: list[str]
    anions: AnionsAverage
    reactions: dict[str, ReactionsResult | Unavailable]
    kinetics: dict[str, dict[str, AverageShareKinetics | Unavailable]]
    labels: AverageLabels | Unavailable
    percolation: AveragePercolation | Unavailable
    domains: dict[str, AverageDomains] | Unavailable
    order: AverageOrder
