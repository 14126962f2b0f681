"""The convergence study in a terminal."""

from rich.table import Table

from interphase_flows.report.sections.convergence import KINDS, Convergence


def convergence_table(study: Convergence) -> Table:
    """Return the errors of every setting of a study."""
    kinds = [f"{title.lower()}, {unit}" for title, unit in KINDS.values()]
    table = Table("cutoff", "k per 1/Å", *kinds, "", box=None)
    for point in study.points:
        table.add_row(
            f"{point['cutoff_eV']:g} eV",
            f"{point['k_density_per_inverse_angstrom']:g}",
            *("yardstick" if point["is_yardstick"] else f"{point['worst'][kind]:.2f}" for kind in KINDS),
            {"gamma": "Gamma alone against this mesh"}.get(point["axis"], ""),
        )
    return table
