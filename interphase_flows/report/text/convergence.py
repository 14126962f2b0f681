"""Table and summary of a convergence study for a terminal."""

from rich.table import Table

from interphase_flows.schemas.convergence import ConvergenceStudyDoc

QUANTITIES = {
    "energy_meV_per_atom": ("Energy differences", "meV/atom"),
    "force_meV_per_angstrom": ("Forces", "meV/Å"),
    "stress_meV_per_angstrom3": ("Stress", "meV/Å³"),
}
"""Title and unit of the errors that are compared with tolerances."""


def convergence_table(study: ConvergenceStudyDoc) -> Table:
    """Return a table with the errors of every setting."""
    titles = [f"{title.lower()}, {unit}" for title, unit in QUANTITIES.values()]
    table = Table("cutoff", "k per 1/Å", *titles, "", box=None)
    for point in study.points:
        table.add_row(
            f"{point.cutoff_eV:g} eV",
            f"{point.k_density_per_inverse_angstrom:g}",
            *("reference" if point.is_reference_setting else f"{point.worst[q]:.2f}" for q in QUANTITIES),
            "Gamma point against this mesh" if point.axis == "gamma" else "",
        )
    return table


def choice_summary(study: ConvergenceStudyDoc) -> str:
    """Return a sentence with the chosen setting and its errors."""
    chosen = study.chosen
    if chosen is None:
        return "No setting below the most accurate ones is within the tolerances."
    errors = ", ".join(
        f"{chosen.worst[quantity]:.2g} of {study.tolerances[quantity]:g} {unit}"
        for quantity, (_, unit) in QUANTITIES.items()
    )
    return (
        f"Cheapest within the tolerances: {chosen.cutoff_eV:g} eV, "
        f"{chosen.k_density_per_inverse_angstrom:g} k-points per Å⁻¹ (errors {errors})."
    )
