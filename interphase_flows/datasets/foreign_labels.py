"""Gates of labels that another program computed: single labels, declared level of theory, comparison of energies.

A campaign's own labels have one level of theory by construction. Labels from files may differ in functional, cutoff or
k-points, may have stopped before convergence, and may have energies in other units or of other structures.
"""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import kptdensity2monkhorstpack

from interphase_flows.datasets.compared_labels import compare_labels, compare_with_method
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.datasets.isolated import is_isolated
from interphase_flows.datasets.readers.records import UNREADABLE
from interphase_flows.datasets.unit_consistency import check_units_of_files
from interphase_flows.reference.k_points import n_irreducible_k_points
from interphase_flows.reference.labelling import RawLabel, ReferenceMethod
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.label import MethodIdentity

CUTOFF_TOLERANCE_EV = 0.5
PROGRESS_INTERVAL = 100
FUNCTIONALS = {"pe": "pbe", "ps": "pbesol", "ggape": "pbe", "ggaps": "pbesol", "gga": "pbe"}
"""Names of functionals in other files (VASP's tag GGA), without punctuation."""


def check_foreign_labels(
    frames: Sequence[Atoms],
    labels: Sequence[RawLabel],
    gates: Gates,
    method: MethodIdentity | None = None,
    elements: Collection[str] | None = None,
    pretrained: ReferenceMethod | None = None,
    needs_stress: bool | None = None,
    run_starts: Sequence[Atoms | None] | None = None,
    files: Sequence[str] | None = None,
) -> list[Rejection | None]:
    """Return for each label of a set why it is rejected, or None.

    Parameters
    ----------
    frames, labels
        Structures and their labels, in the same order.
    gates
        Limits of single labels, and of energies about the fit of the compositions.
    method
        Declared level of theory of the set. A setting that it does not declare is compared with the value that most
        labels of the set state.
    elements
        Elements of the campaign; all by default.
    pretrained
        Pretrained potential that labels every frame again, to find atoms with exchanged elements; CHGNet takes about
        0.1 s for 60 atoms.
    needs_stress
        Whether a label without stress is rejected; by default if another one of the set has stress.
    run_starts
        First ionic step of the run of each frame, whose cell determines the k-point mesh of all steps; the frame itself
        where it is None.
    files
        File of each frame, which has one convention of units and signs; by default, all are of one file.
    """
    expected = [_declared(labels, method, name) for name in ("code", "functional", "cutoff_eV")]
    if needs_stress is None:
        needs_stress = any(raw.stress_eV_per_angstrom3 is not None for raw in labels)
    starts = run_starts or [None] * len(frames)
    found: list[Rejection | None] = []
    for number, (atoms, raw, start) in enumerate(zip(frames, labels, starts, strict=True)):
        if number % PROGRESS_INTERVAL == 0:
            emit("check labels", number, len(frames))
        found.append(
            _unreadable(raw)
            or gates.before(atoms)
            or _foreign_element(atoms, elements)
            or _level_of_theory(raw, expected)
            or _k_points(atoms if start is None else start, raw, method)
            or _scf_steps(raw)
            or gates.after(atoms, raw, needs_stress)
        )
    emit("check labels", len(frames), len(frames), "compared with each other next")
    good = [index for index, rejection in enumerate(found) if rejection is None]
    # isolated atoms and molecules have energies far from those of any solid
    solids = [index for index in good if not is_isolated(frames[index])]
    checked = check_units_of_files(
        [frames[i] for i in solids], [labels[i] for i in solids], [files[i] if files else "" for i in solids]
    )
    for index, rejection in zip(solids, checked, strict=True):
        found[index] = rejection
    solids = [index for index in solids if found[index] is None]
    if solids:
        compared = compare_labels([frames[i] for i in solids], [labels[i] for i in solids], gates)
        for index, rejection in zip(solids, compared, strict=True):
            found[index] = rejection
    solids = [index for index in solids if found[index] is None]
    if pretrained is not None and solids:
        compared = compare_with_method([frames[i] for i in solids], [labels[i] for i in solids], pretrained)
        for index, rejection in zip(solids, compared, strict=True):
            found[index] = rejection
    return found


def _unreadable(raw: RawLabel) -> Rejection | None:
    reason = raw.details.get(UNREADABLE)
    return None if reason is None else Rejection("unreadable", f"the frame cannot be read: {reason}")


def _foreign_element(atoms: Atoms, elements: Collection[str] | None) -> Rejection | None:
    foreign = sorted(set(atoms.symbols) - set(elements)) if elements is not None else []
    if foreign:
        return Rejection(
            "foreign_element",
            f"{', '.join(foreign)} is not an element of the campaign ({', '.join(sorted(elements or ()))})",
        )
    return None


def _declared(labels: Sequence[RawLabel], method: MethodIdentity | None, name: str) -> tuple[str, object, str]:
    """Return a setting, its expected value, and where it is declared."""
    declared = None if method is None else method.code if name == "code" else method.settings.get(name)
    if method is not None and declared is not None:
        return name, declared, method.name
    stated = Counter(raw.details[name] for raw in labels if name in raw.details)
    return name, stated.most_common(1)[0][0] if stated else None, "most labels of the set"


def _level_of_theory(raw: RawLabel, expected: Sequence[tuple[str, object, str]]) -> Rejection | None:
    """Compare code, functional and cutoff that a label states with the declared ones."""
    for name, declared, where in expected:
        stated = raw.details.get(name)
        if stated is not None and declared is not None and not _is_equal(name, stated, declared):
            return Rejection("level_of_theory", f"{name} is {stated}, but {declared} in {where}")
    return None


def _is_equal(name: str, stated: object, declared: object) -> bool:
    if name == "cutoff_eV":
        return abs(float(str(stated)) - float(str(declared))) <= CUTOFF_TOLERANCE_EV
    one, other = ("".join(c for c in str(text).lower() if c.isalnum()) for text in (stated, declared))
    if name == "functional":
        one, other = FUNCTIONALS.get(one, one), FUNCTIONALS.get(other, other)
    return one == other


def _k_points(atoms: Atoms, raw: RawLabel, method: MethodIdentity | None) -> Rejection | None:
    """Compare the number of k-points with the density of the method.

    It may be reduced by symmetry, and rounded up by one along each axis.
    """
    stated = raw.details.get("n_k_points")
    density = None if method is None else method.settings.get("k_density_per_inverse_angstrom")
    if stated is None or density is None or method is None:
        return None
    mesh = (1, 1, 1)
    if len(atoms) < float(method.settings.get("gamma_above_atoms", np.inf)):
        mesh = kptdensity2monkhorstpack(atoms, float(density), even=False)
    fewest, most = n_irreducible_k_points(mesh, atoms), int(np.prod(np.add(mesh, 1)))
    if fewest <= float(stated) <= most:
        return None
    return Rejection(
        "level_of_theory",
        f"{stated} k-points, but the density of {method.name}, {density} per Å⁻¹, is a mesh of "
        f"{' x '.join(map(str, mesh))} in this cell, at least {fewest} points",
    )


def _scf_steps(raw: RawLabel) -> Rejection | None:
    """Reject a label without an SCF, or without a statement of convergence whose SCF took the largest number of steps."""
    steps, largest = raw.details.get("n_scf_steps"), raw.details.get("max_scf_steps")
    if steps is not None and float(steps) == 0:
        return Rejection(
            "level_of_theory",
            "the step has no SCF: its energy and forces are those of a machine-learned force field (VASP's ML_LMLFF)",
        )
    if raw.is_scf_converged is None and steps is not None and largest is not None and float(steps) >= float(largest):
        return Rejection(
            "scf_not_converged",
            f"the SCF stopped at its maximum of {largest} steps, and the file states no convergence",
        )
    return None
