"""Translational order tau: how far a radial distribution is from that of a gas."""

import numpy as np
from scipy.integrate import trapezoid

from interphase_flows.analysis.geometry.coordination import RadialDistribution
from interphase_flows.exceptions import AnalysisError


def translational_order(
    rdf: RadialDistribution, density_per_angstrom3: float, *, largest_reduced_distance: float | None = None
) -> float:
    """Return tau = (1/x_c) ∫ |g(x) - 1| dx from 0 to x_c, with x = r density^(1/3).

    Truskett, Torquato and Debenedetti, Phys. Rev. E 62, 993 (2000). It is 0 for an ideal gas and grows with order;
    compare values of equal x_c and bin width only, because a crystal's grows with finer bins.

    Parameters
    ----------
    rdf
        Of the pair, such as Li around S.
    density_per_angstrom3
        Number density of the neighbours in 1/Å³.
    largest_reduced_distance
        x_c; the whole range by default.

    Raises
    ------
    AnalysisError
        The density is not positive, or the function is shorter than x_c.
    """
    if not density_per_angstrom3 > 0:
        raise AnalysisError(f"density {density_per_angstrom3} 1/Å³: must be positive")
    x = rdf.r_angstrom * density_per_angstrom3 ** (1 / 3)
    limit = x[-1] if largest_reduced_distance is None else largest_reduced_distance
    if not 0 < limit <= x[-1] + 1e-9:
        raise AnalysisError(
            f"x_c = {limit}, but g(r) ends at {x[-1]:.2f}: choose a smaller one, or a longer r_max_angstrom"
        )
    inside = x <= limit + 1e-9
    # from 0, where nothing is, so that |g - 1| is 1
    grid = np.concatenate([[0.0], x[inside]])
    return float(trapezoid(np.concatenate([[1.0], np.abs(rdf.g[inside] - 1.0)]), grid) / grid[-1])
