"""Assess the settings of a convergence study against the most accurate setting of each axis."""

from collections.abc import Mapping, Sequence

from interphase_flows.reference.convergence import (
    Deviation,
    PhaseNumbers,
    Tolerances,
    choose,
    deviation,
    fill_missing_densities,
    reaction_energy_eV_per_atom,
)
from interphase_flows.schemas.convergence import (
    AssessedSetting,
    Axis,
    OwnSetting,
    PointErrors,
    StudyErrors,
    StudyPoint,
)

Numbers = Mapping[str, PhaseNumbers | None]
"""Phase -> results of one setting, None for a phase with a rejected or missing label."""


def assess_settings(
    points: Sequence[StudyPoint],
    numbers: Sequence[Numbers],
    wall_times_s: Sequence[float],
    weights: Mapping[str, float],
    tolerances: Tolerances,
) -> StudyErrors:
    """Compare every setting with the reference of its axis, and choose the cheapest one within the tolerances.

    The first of the points is the campaign's own. ``weights`` are those of
    :func:`~interphase_flows.reference.convergence.reaction_weights`.
    """
    own_point, own_numbers = points[0], numbers[0]

    def row(index: int, axis: Axis, found: Deviation, used: Numbers, is_reference_setting: bool = False) -> PointErrors:
        return PointErrors(
            axis=axis,
            cutoff_eV=points[index].cutoff_eV,
            k_density_per_inverse_angstrom=points[index].k_density_per_inverse_angstrom,
            is_reference_setting=is_reference_setting,
            errors={kind: getattr(found, kind) for kind in found.worst},
            worst=found.worst,
            missing=list(found.missing),
            reaction_energy_eV_per_atom=reaction_energy_eV_per_atom(used, weights) if weights else None,
            wall_time_s=wall_times_s[index],
        )

    rows: list[PointErrors] = []
    deviations: dict[str, dict[float, Deviation]] = {}
    swept: tuple[tuple[Axis, str], ...] = (
        ("cutoff", "cutoff_eV"),
        ("k_density", "k_density_per_inverse_angstrom"),
    )
    for axis, name in swept:
        indices = {getattr(p, name): i for i, p in enumerate(points) if p.axis in (axis, "own")}
        by_value, reference = fill_missing_densities({value: numbers[i] for value, i in indices.items()})
        deviations[axis] = {value: deviation(found, reference, weights) for value, found in by_value.items()}
        rows += [
            row(
                indices[value],
                axis,
                deviations[axis][value],
                found,
                is_reference_setting=value == max(indices),
            )
            for value, found in by_value.items()
        ]
    gamma = None
    for index, point in enumerate(points):
        if point.axis == "gamma":
            found = numbers[index]
            gamma = deviation({name: own_numbers.get(name) for name in found}, found, {})
            with_gamma = {**own_numbers, **found}
            reaction = deviation(own_numbers, with_gamma, weights).energy_meV_per_atom
            gamma.energy_meV_per_atom.update({k: v for k, v in reaction.items() if k == "reaction"})
            rows.append(row(index, "gamma", gamma, with_gamma))
    choice = choose(deviations["cutoff"], deviations["k_density"], tolerances)
    cutoff_eV, k_density = own_point.cutoff_eV, own_point.k_density_per_inverse_angstrom
    return StudyErrors(
        points=rows,
        own=OwnSetting(
            **_assessed(
                cutoff_eV,
                k_density,
                deviations["cutoff"][cutoff_eV] + deviations["k_density"][k_density],
                tolerances,
            ).model_dump(),
            not_assessed=[
                axis
                for axis, value in (("cutoff", cutoff_eV), ("k_density", k_density))
                if value == max(deviations[axis])
            ],
        ),
        chosen=None
        if choice is None
        else _assessed(choice.cutoff_eV, choice.k_density_per_inverse_angstrom, choice.deviation, tolerances),
        gamma=None if gamma is None else gamma.worst,
    )


def _assessed(cutoff_eV: float, k_density: float, found: Deviation, tolerances: Tolerances) -> AssessedSetting:
    return AssessedSetting(
        cutoff_eV=cutoff_eV,
        k_density_per_inverse_angstrom=k_density,
        worst=found.worst,
        margins=found.margins(tolerances),
        is_within=found.is_within(tolerances),
    )


def densest_meshes(points: Sequence[StudyPoint], numbers: Sequence[Numbers]) -> dict[str, float]:
    """Return the densest mesh of each phase that was labelled on several meshes, but not on the densest of all."""
    swept = [
        (point.k_density_per_inverse_angstrom, found)
        for point, found in zip(points, numbers, strict=True)
        if point.axis in ("own", "k_density")
    ]
    densest = max(density for density, _ in swept)
    labelled = {name: [density for density, found in swept if name in found] for name in numbers[0]}
    return {
        name: max(densities) for name, densities in labelled.items() if len(densities) > 1 and max(densities) < densest
    }
