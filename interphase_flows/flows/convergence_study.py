"""Convergence study: sufficient plane-wave cutoff and k-point density for the reference method of a campaign."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from ase import Atoms
from ase.formula import Formula
from jobflow import Flow, Maker, OnMissing
from pydantic import ValidationError

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.model import LabelCostModel, label_size
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.convergence import (
    DISPLACED_BELOW_ATOMS,
    ConvergenceMaker,
    ConvergenceStructuresMaker,
)
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.reference.convergence import Tolerances
from interphase_flows.reference.spec import GpawSpec, MethodSpec
from interphase_flows.schemas.convergence import StudyPoint
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.symmetry import primitive_cell

CUTOFF, K_DENSITY, GAMMA_ABOVE = "cutoff_eV", "k_density_per_inverse_angstrom", "gamma_above_atoms"
STRUCTURES_SEED = 800


def study_phases(campaign: Campaign) -> list[str]:
    """Return the phases of the full reaction between electrode and electrolyte.

    These are the electrode, the electrolyte and, for every other element, the binary phase richest in the element of
    the electrode: Li, Li7P3S11, Li2S and Li3P.
    """
    electrode = set(Formula(campaign.electrode).count())
    chosen = [campaign.electrode]
    for element in sorted(set(Formula(campaign.electrolyte).count()) - electrode):
        shares = {}
        for name in campaign.phases:
            try:
                counts = Formula(name).count()
            except ValueError:  # the name of a user's phase need not be a formula
                continue
            if element in counts and set(counts) == electrode | {element}:
                shares[name] = counts[element] / sum(counts.values())
        if shares:
            chosen.append(min(shares, key=lambda name: shares[name]))
    return [*dict.fromkeys([*chosen, campaign.electrolyte])]


@dataclass
class ConvergenceStudyMaker(Maker):
    """Sweep cutoff and k-point density separately from the setting of a reference method, and choose a setting.

    Labels are cached: points of an earlier study and of the campaign are not recomputed.

    Parameters
    ----------
    label_maker
        Labels by the reference method; the setting of its ``reference`` is replaced at every point.
    electrode, electrolyte, phases
        Sides of the reaction, and all phases of it, as `study_phases` returns them.
    cutoffs_eV, k_densities
        Values of each axis; those of the method are added. The largest value is the reference of its axis.
    gamma_check_density
        Mesh density to compare Gamma-only labels with, for cells that the method labels at Gamma. If it uses a mesh for
        all cells, the largest cell is labelled at Gamma and compared with its mesh. None skips this check.
    max_label_cost_s
        Maximum estimated cost of a label on a mesh denser than that of the method. A phase above it is compared with
        its densest affordable mesh; None labels every phase on every mesh.
    """

    label_maker: LabelMaker = field(default_factory=lambda: LabelMaker(reference=GpawSpec()))
    structures_maker: ConvergenceStructuresMaker = field(default_factory=ConvergenceStructuresMaker)
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    phases: Sequence[str] = ("Li", "Li3P", "Li2S", "Li7P3S11")
    seed: int = 1
    cutoffs_eV: Sequence[float] = (300.0, 350.0, 400.0, 500.0)
    k_densities: Sequence[float] = (2.0, 3.0, 4.0)
    gamma_check_density: float | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)
    max_label_cost_s: float | None = None
    name: str = "convergence study"

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        return cls(
            label_maker=LabelMaker(reference=campaign.reference, gates=campaign.gates),
            structures_maker=ConvergenceStructuresMaker(structure_files=campaign.structure_files),
            electrode=campaign.electrode,
            electrolyte=campaign.electrolyte,
            phases=study_phases(campaign),
            seed=campaign.seed,
        )

    def points(self) -> list[StudyPoint]:
        """Return the settings to label, the setting of the method first.

        Raises
        ------
        InputError
            The method has no cutoff or k-points to converge, or a value is out of range.
        """
        spec = self.label_maker.reference
        fields = type(spec).model_fields
        if CUTOFF not in fields or K_DENSITY not in fields:
            raise InputError(
                f"reference.method: {spec.method} has neither cutoff nor k-points, so there is nothing to converge. "
                "Hint: choose gpaw or vasp"
            )
        gamma = [] if self.gamma_check_density is None else [self.gamma_check_density]
        for name, key, values in (
            ("cutoffs", CUTOFF, self.cutoffs_eV),
            ("k-densities", K_DENSITY, self.k_densities),
            ("gamma-check", K_DENSITY, gamma),
        ):
            for value in values:
                try:
                    type(spec).model_validate(spec.model_dump() | {key: value})
                except ValidationError as error:
                    raise InputError(f"{name}: {value:g}: {error.errors()[0]['msg'].lower()}") from error
        cells = self.cells()
        sizes = {name: len(cell) for name, cell in cells.items()}
        at_gamma = [name for name, n in sizes.items() if n >= getattr(spec, GAMMA_ABOVE, float("inf"))]
        meshed = [name for name in sizes if name not in at_gamma]
        own = StudyPoint(
            axis="own",
            cutoff_eV=getattr(spec, CUTOFF),
            k_density_per_inverse_angstrom=getattr(spec, K_DENSITY),
            phases=list(sizes),
        )
        points = [own]
        points += [
            own.model_copy(update={"axis": "cutoff", CUTOFF: float(value)})
            for value in sorted(set(self.cutoffs_eV))
            if value != own.cutoff_eV
        ]
        own_density = own.k_density_per_inverse_angstrom
        for value in sorted({float(value) for value in self.k_densities} - {own_density}):
            point = own.model_copy(update={"axis": "k_density", K_DENSITY: value})
            is_denser = value > own_density
            labelled = [n for n in meshed if not (is_denser and self._is_too_expensive(cells[n], point))]
            if labelled:
                points.append(point.model_copy(update={"phases": labelled}))
        if self.gamma_check_density is not None and at_gamma:
            changes = {K_DENSITY: float(self.gamma_check_density), GAMMA_ABOVE: 1 + max(sizes.values())}
            points.append(own.model_copy(update={"axis": "gamma", **changes, "phases": at_gamma}))
        elif self.gamma_check_density is not None and GAMMA_ABOVE in fields:
            largest = max(sizes.values())
            phases = [name for name, n in sizes.items() if n == largest]
            points.append(own.model_copy(update={"axis": "gamma", GAMMA_ABOVE: largest, "phases": phases}))
        return points

    def cells(self) -> dict[str, Atoms]:
        """Return the smallest cell of each phase of the study."""
        files = self.structures_maker.structure_files
        return {name: primitive_cell(load_crystal(name, files)) for name in self.phases}

    def _is_too_expensive(self, cell: Atoms, point: StudyPoint) -> bool:
        if self.max_label_cost_s is None:
            return False
        spec = self.spec_at(point)
        # prior estimate only: finished labels would shift the limit and with it the points of the study
        model = LabelCostModel(spec.method, cutoff_eV=point.cutoff_eV)
        return model.estimate_s(label_size(spec, cell)) > self.max_label_cost_s

    def places(self) -> dict[str, list[int]]:
        """Return the indices of the structures of each phase in the set of the study."""
        found: dict[str, list[int]] = {}
        start = 0
        for name, cell in self.cells().items():
            found[name] = list(range(start, start + (2 if len(cell) < DISPLACED_BELOW_ATOMS else 1)))
            start = found[name][-1] + 1
        return found

    def spec_at(self, point: StudyPoint) -> MethodSpec:
        """Return the reference method at a point of the study."""
        changes = point.model_dump(include={CUTOFF, K_DENSITY, GAMMA_ABOVE}, exclude_none=True)
        return self.label_maker.reference.model_copy(update=changes)

    def make(self) -> Flow:
        """Return the flow; its output is a ConvergenceStudyDoc."""
        points, places = self.points(), self.places()
        structures = self.structures_maker.make(list(places), self.seed + STRUCTURES_SEED)
        labels = []
        for point in points:
            maker = replace(
                self.label_maker,
                name=f"convergence {point.cutoff_eV:g} eV, {point.k_density_per_inverse_angstrom:g} per 1/Å",
                reference=self.spec_at(point),
            )
            labels.append(maker.make(structures.output, [i for name in point.phases for i in places[name]]))
        study = ConvergenceMaker(reference=self.label_maker.reference, tolerances=self.tolerances).make(
            [self.electrode, self.electrolyte],
            structures.output,
            points,
            [each.output for each in labels],
        )
        study.config.on_missing_references = OnMissing.NONE
        return Flow([structures, *labels, study], output=study.output, name=self.name)
