"""Schema of a campaign file: all keys with their types, ranges and defaults."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from interphase_flows.analysis.pipeline.registered_parts import PARTS, part_classes
from interphase_flows.campaign.committee import CampaignCommitteeSpec
from interphase_flows.campaign.exploration import ExplorationSpec
from interphase_flows.campaign.initial_labels import InitialLabelsSpec
from interphase_flows.campaign.production import ProductionSpec
from interphase_flows.campaign.reference import ReferenceSpec
from interphase_flows.campaign.structures import StructuresSpec
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.campaign.values import (
    MOST_VALUES,
    Count,
    CountOrNone,
    Fraction,
    LabelCount,
    Positive,
    Spec,
    StepCount,
)
from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.selection.registry import DEFAULT_STRATEGY, strategy_names
from interphase_flows.exceptions import CampaignFileError, StructureError
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.structures.crystals.ordering.settings import ORDERED_SUFFIX, OrderingSettings


def _registered_strategy(name: str) -> str:
    if name not in strategy_names():
        raise ValueError(f"unknown selection strategy. Hint: choose one of {', '.join(strategy_names())}")
    return name


SelectionStrategyName = Annotated[str, AfterValidator(_registered_strategy)]
"""Name of a registered selection strategy."""


class SelectionSpec(Spec):
    """Selection of the frames that active learning labels."""

    strategy: SelectionStrategyName = DEFAULT_STRATEGY


class LearningSpec(Spec):
    """Budget and stopping criteria of the active-learning loop.

    Thresholds are expected errors of the worst force in a frame; every iteration calibrates the committee's standard
    deviation against them. An error that all members share, such as that of the volume of a crystal, has no standard
    deviation: ``crystal_fraction`` of the labels are random frames of the crystal walkers.
    """

    min_iterations: CountOrNone = 0
    max_iterations: Count = 10
    labels_per_iteration: LabelCount = 20
    selection: SelectionSpec = SelectionSpec()
    crystal_fraction: Fraction = 0.25
    audit_labels_per_iteration: LabelCount = 6
    max_labels: LabelCount = 2000
    select_force_error_eV_per_angstrom: Positive = 0.5
    stop_force_error_eV_per_angstrom: Positive = 1.5
    target_force_mae_meV_per_angstrom: Positive = 100.0
    target_fraction_above_select: Fraction = 0.05
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15

    @model_validator(mode="after")
    def _levels_in_order(self) -> "LearningSpec":
        if self.stop_force_error_eV_per_angstrom <= self.select_force_error_eV_per_angstrom:
            raise ValueError(
                "stop_force_error_eV_per_angstrom must be larger than select_force_error_eV_per_angstrom: "
                "a frame must be selected before it stops a segment"
            )
        if self.min_iterations > self.max_iterations:
            raise ValueError("min_iterations must not exceed max_iterations")
        return self


class ThermodynamicsSpec(Spec):
    """Relaxation of the phases of the convex hull; energies come from the reference method.

    ``automatic`` relaxes the cell if the reference method itself relaxes the phases, and keeps the published cell
    otherwise: CHGNet's volume of Li7P3S11 is 6.8 % too large (docs: settings of DFT).
    """

    relax_with: Literal["surrogate", "reference"] = "surrogate"
    cell: Literal["automatic", "fixed", "relaxed"] = "automatic"
    max_steps: StepCount = 120
    energy_error_meV_per_atom: Annotated[float, Field(ge=0.0)] = 0.0


def _known_parts(names: list[str]) -> list[str]:
    known = part_classes()
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"unknown parts {', '.join(unknown)}; choose from {', '.join(known)}")
    return names


class AnalysisSpec(Spec):
    """Settings of the analysis of production trajectories.

    Elements and bonds of molecular anions are measured in the trajectories by default. Where one of them is given,
    the others follow from the electrolyte's crystal and from covalent radii (P-S and P-P 2.6 Å).
    """

    parts: Annotated[list[str], Field(min_length=1), AfterValidator(_known_parts)] = list(PARTS)
    anion_centre_elements: list[str] | None = None
    ligand_elements: list[str] | None = None
    centre_ligand_cutoff_angstrom: Positive | None = None
    centre_centre_cutoff_angstrom: Positive | None = None
    phase_references: ReferenceSteps = ReferenceSteps()


class Campaign(Spec):
    """Specification of a campaign, from electrode and electrolyte to the report."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
    description: str = ""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    phases: Annotated[list[str], Field(min_length=2, max_length=MOST_VALUES)] = [
        "Li",
        "Li2S",
        "Li3P",
        "LiP",
        "Li3PS4",
        "Li7P3S11",
    ]
    hull_phases: Annotated[list[str], Field(max_length=MOST_VALUES)] = ["P", "S", "Li2PS3", "LiPS3"]
    structure_files: dict[str, str] = {}
    ordering: dict[str, OrderingSettings] = {}
    reference: ReferenceSpec = ChgnetSpec()
    gates: Gates = Gates()
    structures: StructuresSpec = StructuresSpec()
    initial_labels: InitialLabelsSpec | None = None
    committee: CampaignCommitteeSpec = CampaignCommitteeSpec()
    exploration: ExplorationSpec = ExplorationSpec()
    learning: LearningSpec = LearningSpec()
    production: ProductionSpec = ProductionSpec()
    transport_grid: TransportGridSpec | None = None
    thermodynamics: ThermodynamicsSpec = ThermodynamicsSpec()
    analysis: AnalysisSpec = AnalysisSpec()

    @property
    def labels_generated_structures(self) -> bool:
        """Whether generated structures are labelled, and not only imported ones."""
        return self.initial_labels is None or self.initial_labels.label_generated_structures

    @model_validator(mode="after")
    def _sides_are_phases(self) -> "Campaign":
        for role in ("electrode", "electrolyte"):
            name = getattr(self, role)
            if name not in self.phases:
                nearest = difflib.get_close_matches(name[:60], self.phases, n=1)
                meant = f"did you mean {nearest[0]!r}? Otherwise " if nearest else ""
                raise ValueError(f"{role} {name[:60]!r} is not among phases {self.phases[:20]}; {meant}add it there")
        return self

    @model_validator(mode="after")
    def _pretraining_is_by_another_method(self) -> "Campaign":
        pretraining = self.committee.pretraining
        if pretraining is not None and pretraining.reference == self.reference:
            raise ValueError(
                "committee.pretraining.reference is the reference method of the campaign; name a cheaper one"
            )
        return self

    @model_validator(mode="after")
    def _ordered_files_exist(self) -> "Campaign":
        if missing := [name for name in self.ordering if name not in self.structure_files]:
            raise ValueError(f"ordering: {', '.join(missing)[:60]}: add the file of this phase to structure_files")
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> "Campaign":
        """Read a campaign file (YAML); relative structure files start from its folder.

        Structures of the block `ordering` are ordered, once, in the folder `ordered` beside the file.

        Raises
        ------
        CampaignFileError
            The file is missing or invalid; the message lists all mistakes with their lines.
        StorageError
            The folder of ordered structures cannot be written.
        """
        return load_yaml_model(path, cls).with_absolute_files(Path(path).parent).with_ordered_files(Path(path).parent)

    def with_absolute_files(self, folder: Path) -> "Campaign":
        """Return the campaign with absolute paths of all files that it names, as jobs run in other folders.

        Relative paths start from ``folder``.
        """

        def absolute(path: str) -> str:
            return str((folder / Path(path).expanduser()).resolve())

        try:
            return self.with_files(absolute)
        except (OSError, ValueError, RuntimeError) as error:  # a NUL character, a long name, a loop of links
            raise CampaignFileError(
                f"structure_files, initial_labels.files or committee.start_from: not a path: {str(error)[:200]}"
            ) from error

    def with_files(self, change: Callable[[str], str]) -> "Campaign":
        """Return the campaign with ``change(path)`` in place of the path of every file that it names."""
        start, labels = self.committee.start_from, self.initial_labels
        files = {name: change(path) for name, path in self.structure_files.items()}
        if start is not None:
            start = change(start) if isinstance(start, str) else [change(path) for path in start]
        if labels is not None:
            labels = labels.model_copy(update={"files": [change(path) for path in labels.files]})
        committee = self.committee.model_copy(update={"start_from": start})
        return self.model_copy(update={"structure_files": files, "committee": committee, "initial_labels": labels})

    def not_yet_ordered(self) -> list[str]:
        """Return the phases of the block `ordering` whose file is not an ordered one, which has a record beside it."""
        return [
            name
            for name in self.ordering
            if Path(self.structure_files[name]).suffix != ORDERED_SUFFIX
            or not Path(self.structure_files[name]).with_suffix(".json").is_file()
        ]

    def with_ordered_files(self, folder: Path) -> "Campaign":
        """Return the campaign with ordered structure files, written to ``folder``/ordered where they are missing.

        `from_file` does this; files that are ordered already are kept.
        """
        names = self.not_yet_ordered()
        if not names:
            return self
        from interphase_flows.structures.crystals.ordering.files import ordered_file  # slow import

        files = dict(self.structure_files)
        for name in names:
            try:
                files[name] = str(
                    ordered_file(Path(files[name]), self.ordering[name], folder.resolve() / "ordered", name)
                )
            except StructureError as error:
                raise CampaignFileError(f"ordering.{name}: {error}") from error
        return self.model_copy(update={"structure_files": files})
