"""Limits of a run of an interface: voids, drift of the volume, normal stress, lost bonds of anions.

A potential outside its training data may tear the cell apart, compress it or decompose the electrolyte at ordinary
temperatures and distances. These limits end such a run with its reason.

================  ================================================================================================
stop reason       criterion
================  ================================================================================================
void              an empty sphere with a radius above ``max_void_radius_angstrom``, also part of an empty slab
volume_drift      |V / V0 - 1| above ``max_volume_change``
stress_drift      mean normal stress of the last `STRESS_WINDOW` evaluations, after equilibration, farther than
                  ``max_normal_stress_GPa`` from minus the external pressure
anions_lost       fewer than ``min_anion_bond_fraction`` of the initial bonds between centres and ligands (P-S)
================  ================================================================================================

V0 and the initial bonds are those of the first evaluation of the run. A void that the start of the run has is no reason,
unless it grows; once it has closed, the limit applies.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.exceptions import DynamicsError
from interphase_flows.schemas.segment import StopReason

STRESS_WINDOW = 30
"""Evaluations of the committee over which the normal stress is averaged; they may be in several segments."""
GRID_PER_RADIUS = 3.0
"""Points of the void search along the radius of the smallest void."""
CLOSED_VOID = 0.8
"""Radius of a closed void in units of the limit, which fluctuations of a void at the limit do not reach."""
GROWN_VOID = 0.5
"""Growth of the radius of a void of the start, in units of the limit, that ends a run; more than the grid's error."""
THERMAL_FACTOR = 1.15
"""Longest bond of an anion at temperature, relative to that in a crystal."""


class RunReference(BaseModel):
    """State of a run at its first evaluation, which limits refer to."""

    volume_angstrom3: float
    n_anion_bonds: int
    open_void_radius_angstrom: float | None
    """Smallest radius until now of a void of the start that has not closed yet; None if there is none."""


class RunLimits(BaseModel):
    """Limits that end a run; None switches one off."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_void_radius_angstrom: float | None = Field(default=4.0, ge=2.0, le=100.0)
    """Distance to the nearest atom; at most 2.6 Å in crystals, 3.0 Å in the gap of an interface as built."""
    max_volume_change: float | None = Field(default=0.5, gt=0)
    """Relative; the reaction of Li7P3S11 with lithium changes the volume by -0.26."""
    max_normal_stress_GPa: float | None = Field(default=3.0, gt=0)
    min_anion_bond_fraction: float | None = Field(default=0.1, gt=0, lt=1)

    def reference(self, atoms: Atoms) -> RunReference:
        """Return what later evaluations are compared with.

        Raises DynamicsError if the cell has no volume.
        """
        if np.linalg.det(atoms.cell.array) == 0.0:
            raise DynamicsError("limits of a run need a periodic cell, the start has none. Hint: use no limits")
        limit = self.max_void_radius_angstrom
        radius = 0.0 if limit is None else largest_void(atoms, limit)[0]
        return RunReference(
            volume_angstrom3=float(atoms.get_volume()),
            n_anion_bonds=n_anion_bonds(atoms),
            open_void_radius_angstrom=radius if limit is not None and radius > limit else None,
        )

    def followed(self, atoms: Atoms, reference: RunReference) -> RunReference:
        """Return the reference after a frame, in which a void of the start may have shrunk or closed."""
        limit, smallest = self.max_void_radius_angstrom, reference.open_void_radius_angstrom
        if limit is None or smallest is None:
            return reference
        radius = largest_void(atoms, limit)[0]
        still_open = min(radius, smallest) if radius > CLOSED_VOID * limit else None
        return reference.model_copy(update={"open_void_radius_angstrom": still_open})

    def violation(
        self,
        atoms: Atoms,
        reference: RunReference,
        normal_stress_GPa: Sequence[float],
        pressure_GPa: float,
    ) -> tuple[StopReason, str] | None:
        """Return the stop reason and its numbers, or None.

        ``normal_stress_GPa`` are the equilibrated values of the run until now, tension positive.
        """
        return (
            self._volume_drift(atoms, reference)
            or self._stress_drift(normal_stress_GPa, pressure_GPa)
            or self._anions_lost(atoms, reference)
            or self._void(atoms, reference)
        )

    def _volume_drift(self, atoms: Atoms, reference: RunReference) -> tuple[StopReason, str] | None:
        change = float(atoms.get_volume()) / reference.volume_angstrom3 - 1.0
        if self.max_volume_change is None or abs(change) <= self.max_volume_change:
            return None
        return (
            "volume_drift",
            f"the volume changed by {100 * change:+.0f} %, limit {100 * self.max_volume_change:.0f} %",
        )

    def _stress_drift(self, normal_stress_GPa: Sequence[float], pressure_GPa: float) -> tuple[StopReason, str] | None:
        if self.max_normal_stress_GPa is None or len(normal_stress_GPa) < STRESS_WINDOW:
            return None
        mean = float(np.mean(normal_stress_GPa[-STRESS_WINDOW:]))
        if abs(mean + pressure_GPa) <= self.max_normal_stress_GPa:
            return None
        return "stress_drift", (
            f"mean normal stress {mean:.2f} GPa over {STRESS_WINDOW} evaluations, target {-pressure_GPa:g} GPa within "
            f"{self.max_normal_stress_GPa:g} GPa"
        )

    def _anions_lost(self, atoms: Atoms, reference: RunReference) -> tuple[StopReason, str] | None:
        if self.min_anion_bond_fraction is None or not reference.n_anion_bonds:
            return None
        n_bonds = n_anion_bonds(atoms)
        if n_bonds >= self.min_anion_bond_fraction * reference.n_anion_bonds:
            return None
        return "anions_lost", (
            f"{n_bonds} of {reference.n_anion_bonds} bonds of anions are left, limit "
            f"{100 * self.min_anion_bond_fraction:g} %: no electrolyte remains"
        )

    def _void(self, atoms: Atoms, reference: RunReference) -> tuple[StopReason, str] | None:
        limit, smallest = self.max_void_radius_angstrom, reference.open_void_radius_angstrom
        if limit is None:
            return None
        largest = limit if smallest is None else max(limit, smallest + GROWN_VOID * limit)
        radius, centre = largest_void(atoms, limit)
        if radius <= largest:
            return None
        x, y, z = centre
        grown = "" if smallest is None else f"; a void of the start grew from {smallest:.1f} Å"
        return "void", (
            f"empty sphere of radius {radius:.1f} Å or more at ({x:.1f}, {y:.1f}, {z:.1f}) Å, limit {largest:.3g} Å"
            + grown
        )


def largest_void(atoms: Atoms, radius_angstrom: float) -> tuple[float, np.ndarray]:
    """Return radius and centre in Å of the largest empty sphere around points of a grid, which resolves the given radius.

    Three-dimensionally periodic cells only.
    """
    # slow import; every command reads campaign files, which contain the limits
    from interphase_flows.analysis.geometry.neighbours import PeriodicTree

    cell = atoms.cell.array
    n_points = np.maximum(1, np.ceil(atoms.cell.lengths() * GRID_PER_RADIUS / radius_angstrom)).astype(int)
    axes = [(np.arange(n) + 0.5) / n for n in n_points]
    tree = PeriodicTree(atoms.positions, cell, 1.5 * radius_angstrom)
    best, centre = 0.0, np.zeros(3)
    for first in axes[0]:  # one plane of the grid at a time, for cells of many atoms
        plane = np.stack(np.meshgrid([first], axes[1], axes[2], indexing="ij"), axis=-1).reshape(-1, 3) @ cell
        distances = tree.nearest_to(1, plane).distance_angstrom[:, 0]
        farthest = int(distances.argmax())
        if distances[farthest] > best:
            best, centre = float(distances[farthest]), plane[farthest]
    return best, centre


def n_anion_bonds(atoms: Atoms) -> int:
    """Return the number of bonds between centres and ligands of molecular anions, such as P-S.

    Three-dimensionally periodic cells only.
    """
    from interphase_flows.analysis.geometry.neighbours import PeriodicTree  # slow imports
    from interphase_flows.structures.anions import anion_bonds_angstrom, is_centre, is_ligand

    n_bonds, symbols = 0, np.array(atoms.get_chemical_symbols())
    for (centre, ligand), length_angstrom in anion_bonds_angstrom(atoms.symbols).items():
        if is_centre(centre) and is_ligand(ligand):
            cutoff_angstrom = THERMAL_FACTOR * length_angstrom
            tree = PeriodicTree(atoms.positions[symbols == ligand], atoms.cell.array, cutoff_angstrom)
            n_bonds += len(tree.few_within(cutoff_angstrom, atoms.positions[symbols == centre]).distance_angstrom)
    return n_bonds
