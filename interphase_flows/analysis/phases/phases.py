"""Identify anions and phases in a trajectory: species, reactions, labels, networks, order and diffraction.

Anions are classified in every frame, labels and radial distributions in an evenly spaced subset, and networks in the
last third of that subset. Labels need references; compositions of and networks across interphases need boundaries.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.drift import CommonDrift
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.parallel import by_frame
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.rdf_cutoffs import PairCutoffs
from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.analysis.growth.phase_kinetics import Supply, share_kinetics
from interphase_flows.analysis.interfaces.detection import NO_INTERFACE, Interface
from interphase_flows.analysis.interfaces.layers import Heights
from interphase_flows.analysis.interfaces.settings import InterfaceSettings
from interphase_flows.analysis.phases.atom_labels import PhaseModel, label_atoms
from interphase_flows.analysis.phases.crystalline_domains import domains_of
from interphase_flows.analysis.phases.diffraction import N_FRAMES, EndPattern
from interphase_flows.analysis.phases.label_export import LabelWriter
from interphase_flows.analysis.phases.percolation import NetworkSweep
from interphase_flows.analysis.phases.phase_map import PhaseMap
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.phases.results import (
    AverageLabels,
    BondLengths,
    ElementRoles,
    LabelsResult,
    PhaseAmount,
    PhaseDomains,
    PhasesResult,
    ReferencesSummary,
    SharesKinetics,
)
from interphase_flows.analysis.phases.translational_order import OrderSeries
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_history import AnionCounter
from interphase_flows.analysis.speciation.anion_species import (
    AnionChemistry,
    Environments,
    classify_environments,
)
from interphase_flows.analysis.speciation.element_roles import (
    chemistry_within,
    molecular_chemistry,
    roles_of,
)
from interphase_flows.exceptions import AnalysisError

ATOMS = "atoms"
"""Name of the group that labels are fractions of."""
MOST_LABELLED = 60
DEFAULT_CATION_CUTOFF_ANGSTROM = 3.3
"""Longest distance of a cation from its anions in a trajectory without anions."""
LARGEST_TEMPERATURE_MISMATCH = 0.25
"""Relative difference of the temperatures of references and run from which a note is written."""
NO_REFERENCES = Unavailable(
    reason="no phase references",
    hint="--phases Li2S,Li3P computes them for a file; runs of a campaign use the references of the campaign",
)


def analyse_phases(
    frames: ProgressFrames,
    settings: InterfaceSettings,
    interfaces: Sequence[Interface],
    references: PhaseReferences | None,
    cutoffs: PairCutoffs,
    anions: AnionChemistry | None = None,
    labels_path: Path | None = None,
) -> tuple[PhasesResult, dict[str, FloatArray]]:
    """Identify anions and phases in a trajectory.

    Parameters
    ----------
    frames
        The trajectory.
    settings
        Compositions of the two sides, and the temperature.
    interfaces
        Tracked interphases.
    references
        Phase references; without them atoms have no labels.
    cutoffs
        Bond cutoffs by pair of elements.
    anions
        Elements and bonds of molecular anions; from the cutoffs by default.
    labels_path
        File to which the labels of atoms are exported as extended XYZ.

    Returns
    -------
    result, arrays
        The result, and series by name.

    Raises
    ------
    AnalysisError
        The roles of the elements are not determined, or the trajectory has no anions or no mobile cations.
    """
    roles = roles_of(settings.electrode, settings.electrolyte)
    if not mask_of(frames.numbers, roles.mobile_cations).any():
        raise AnalysisError(f"the trajectory has no {'/'.join(sorted(roles.mobile_cations))}, the mobile cation")
    first, cell = np.asarray(frames.positions(0)), np.asarray(frames.cell(0))
    chemistry = anions or chemistry_within(frames, roles, cutoffs)
    molecules = anions or molecular_chemistry(frames, roles, cutoffs)
    anion_elements = [s for s in sorted(roles.anion_formers) if mask_of(frames.numbers, {s}).any()]
    anion_elements = anion_elements or [s for s in sorted(roles.network_formers) if mask_of(frames.numbers, {s}).any()]
    cation_cutoff = max(
        (
            cutoffs(anion, cation)
            for anion in anion_elements
            for cation in sorted(roles.mobile_cations)
            if mask_of(frames.numbers, {cation}).any()
        ),
        default=DEFAULT_CATION_CUTOFF_ANGSTROM,
    )
    model, missing = _model(references, chemistry, roles.mobile_cations, cation_cutoff)
    numbers = np.asarray(frames.numbers)
    times_ps = (np.asarray(frames.time_fs, dtype=float) - float(frames.time_fs[0])) / 1000.0
    chosen = np.unique(np.linspace(0, frames.n_frames - 1, min(MOST_LABELLED, frames.n_frames)).round().astype(int))
    is_last_third = set(chosen[-max(1, len(chosen) // 3) :].tolist())
    is_end = set(chosen[-N_FRAMES:].tolist())
    labelled = set(chosen.tolist())

    common = CommonDrift(numbers, first, cell)
    is_anion = mask_of(numbers, roles.network_formers | roles.anion_formers)
    place = Heights(is_anion if is_anion.any() else np.ones(len(numbers), dtype=bool), first, cell)
    counter = AnionCounter(numbers, molecules)
    order = OrderSeries(numbers, roles, len(chosen))
    network = NetworkSweep(numbers, roles, interfaces)
    pattern = EndPattern(numbers)
    phase_map = None if model is None else PhaseMap(model.labels, cell, interfaces)
    domains: dict[str, PhaseDomains] | Unavailable = missing
    export = None if model is None or labels_path is None else LabelWriter(labels_path, model.labels, numbers)

    def anions_of(positions: NDArray[np.floating], cell: NDArray[np.floating]) -> Environments:
        return classify_environments(positions, cell, numbers, molecules)

    for frame, found in enumerate(by_frame(frames, range(frames.n_frames), anions_of)):
        counter.add(float(times_ps[frame]), found)
        if frame not in labelled:
            continue
        positions, cell = np.asarray(frames.positions(frame)), np.asarray(frames.cell(frame))
        period, along = float(face_distances(cell)[2]), heights(positions, cell)
        drift = common.of(along)
        order.add(float(times_ps[frame]), positions, cell)
        if frame in is_last_third:
            network.add(frame, positions, cell, found.atom_codes, period, drift)
        if frame in is_end:
            pattern.add(positions, cell)
        if model is None or references is None or phase_map is None:
            continue
        codes = label_atoms(positions, cell, numbers, model)
        if export is not None:
            export.add(float(times_ps[frame]), positions, cell, codes)
        phase_map.add(
            frame,
            float(times_ps[frame]),
            along,
            codes,
            zero=place.zero(positions, cell),
            period_angstrom=period,
            drift=drift,
        )
        if frame == chosen[-1]:
            domains = domains_of(positions, cell, numbers, codes, model, references.crystals)
    if export is not None:
        export.close()
    labels = missing if phase_map is None else phase_map.values()
    kinetics, series = _kinetics(counter, phase_map, frames.n_atoms, interfaces, times_ps)
    result = PhasesResult(
        phases={} if isinstance(labels, Unavailable) else amounts(labels),
        roles=ElementRoles(
            mobile_cations=sorted(roles.mobile_cations),
            network_formers=sorted(roles.network_formers),
            anion_formers=sorted(roles.anion_formers),
        ),
        bonds_angstrom=BondLengths(
            former_ligand=molecules.centre_ligand_angstrom,
            former_former=molecules.centre_centre_angstrom,
            ligand_ligand=molecules.ligand_ligand_angstrom,
            cation_ligand=cation_cutoff,
        ),
        anions=counter.anions(),
        reactions=counter.reactions(),
        labels=labels,
        references=_summary(references, settings.temperature_K),
        percolation=network.values() if interfaces else Unavailable(reason=NO_INTERFACE),
        domains=domains,
        diffraction=pattern.values({} if references is None else references.crystals),
        order=order.values(),
        kinetics=kinetics,
    )
    arrays = {**counter.arrays(), **order.arrays(), **pattern.arrays(), **series}
    if phase_map is not None:
        arrays |= phase_map.arrays()
    return result, arrays


def amounts(labels: LabelsResult | AverageLabels) -> dict[str, PhaseAmount]:
    """Return the amount of every label, by its key in documents."""
    sides = {} if isinstance(labels.sides, Unavailable) else labels.sides
    return {
        phase_key(name): PhaseAmount(
            atom_fraction=fraction,
            interphase_fraction={
                side: found.shares[name]
                for side, found in sides.items()
                if not isinstance(found, Unavailable) and name in found.shares
            },
        )
        for name, fraction in labels.entire_cell.shares.items()
    }


def phase_key(label: str) -> str:
    """Return the key of a label in documents and queries: lower case with underscores."""
    return label.lower().replace(" ", "_")


def _kinetics(
    anions: AnionCounter,
    phase_map: PhaseMap | None,
    n_of_all: int,
    interfaces: Sequence[Interface],
    times_ps: FloatArray,
) -> tuple[SharesKinetics, dict[str, FloatArray]]:
    """Return the kinetics of shares, and the time series of the shares that have a law."""
    supply = Supply(interfaces, times_ps, anions.intact_share())
    shares = {role: (times_ps, each) for role, each in anions.shares().items()}
    if phase_map is not None:
        shares[ATOMS] = phase_map.shares_of_the_cell()
    n_atoms = {**anions.n_atoms, ATOMS: n_of_all}
    found = {group: share_kinetics(time, each, n_atoms[group], supply) for group, (time, each) in shares.items()}
    series = {
        f"phases.share {group}: {name}": shares[group][1][name]
        for group, laws in found.items()
        for name, law in laws.items()
        if not isinstance(law, Unavailable)
    }
    return SharesKinetics(depletion_measure=supply.depletion_measure, shares=found), series


def _model(
    references: PhaseReferences | None,
    chemistry: AnionChemistry,
    mobile: frozenset[str],
    cation_cutoff: float,
) -> tuple[PhaseModel | None, Unavailable]:
    """Return the model, or why there is none."""
    if references is None:
        return None, NO_REFERENCES
    try:
        return references.model(chemistry, mobile, cation_cutoff), NO_REFERENCES
    except AnalysisError as error:
        return None, Unavailable.from_error(AnalysisError(f"the references do not separate the phases: {error}"))


def _summary(references: PhaseReferences | None, temperature_K: float) -> ReferencesSummary | Unavailable:
    if references is None:
        return NO_REFERENCES
    notes = list(references.notes)
    if abs(references.temperature_K / temperature_K - 1) > LARGEST_TEMPERATURE_MISMATCH:
        notes.append(
            f"the references are at {references.temperature_K:g} K and the run at {temperature_K:g} K, so more atoms are "
            "unknown than at the same temperature"
        )
    return ReferencesSummary(
        made_by=references.made_by,
        temperature_K=references.temperature_K,
        phases=sorted(references.runs),
        recognised_by_bonds=sorted(references.by_bonds),
        left_out=references.left_out,
        notes=notes,
    )
