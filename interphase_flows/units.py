"""Conversion factors. The package uses eV, Å, fs, K and u; stress is in eV/Å³, tension positive.

ASE's internal time unit is Å sqrt(u/eV) = 10.18 fs.
"""

from ase import units as _ase

FS: float = _ase.fs
"""One femtosecond in ASE's time unit."""

KB_EV_PER_K: float = _ase.kB
"""Boltzmann's constant in eV/K."""

GPA_PER_EV_PER_ANGSTROM3: float = 1.0 / _ase.GPa
"""Multiply a stress in eV/Å³ by this to get GPa (160.2)."""

MEV_PER_EV: float = 1000.0

CM2_PER_S_PER_ANGSTROM2_PER_PS: float = 1e-4
"""Multiply a diffusion coefficient in Å²/ps by this to get cm²/s."""

PER_J_M_S_PER_EV_ANGSTROM_PS: float = 1e22 / _ase._e
"""Multiply an Onsager coefficient in 1/(eV Å ps) by this to get 1/(J m s), particles counted."""

MOL2_PER_J_M_S_PER_EV_ANGSTROM_PS: float = PER_J_M_S_PER_EV_ANGSTROM_PS / _ase._Nav**2
"""Multiply an Onsager coefficient in 1/(eV Å ps) by this to get mol²/(J m s)."""

S_PER_M_PER_E2_PER_EV_ANGSTROM_PS: float = 1e22 * _ase._e
"""Multiply a sum of charges in e times an Onsager coefficient in 1/(eV Å ps) by this to get S/m."""


def compression_kbar_to_tension_eV_per_angstrom3(stress_kbar: float) -> float:
    """Convert a stress from VASP's convention (kbar, compression positive) to ASE's."""
    return -0.1 * stress_kbar * _ase.GPa


ANGSTROM2_PER_NM2 = 100.0
