"""Measured lattice constants, for comparison with computed ones."""

from interphase_flows.schemas.lattice_constants import MeasuredLattice

MEASURED_LATTICES: dict[str, tuple[MeasuredLattice, ...]] = {
    "Li": (
        MeasuredLattice(3.509, None, "room temperature", "Nadler, Kempter, Anal. Chem. 31, 2109 (1959)"),
        MeasuredLattice(
            3.477, None, "low temperature", "as compiled by Haas, Tran, Blaha, Phys. Rev. B 79, 085104 (2009)"
        ),
    ),
    "Li2S": (
        MeasuredLattice(
            5.71,
            None,
            "room temperature",
            "Zintl, Harder, Dauth, Z. Elektrochem. 40, 588 (1934); the data file",
        ),
    ),
    "Li3P": (
        MeasuredLattice(4.264, 7.579, "room temperature", "Nazri, Solid State Ionics 34, 97 (1989); 0.4264, 0.7579 nm"),
        MeasuredLattice(
            4.273, 7.594, "room temperature", "Brauer, Zintl, Z. Phys. Chem. B 37, 323 (1937); the data file"
        ),
    ),
}
"""Measurements by phase. Unlike static calculations they include zero-point motion, about 0.01 Å for Li."""
