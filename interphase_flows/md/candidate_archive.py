"""Pack the candidates of a segment into one file."""

import io
from collections.abc import Sequence

import numpy as np
from ase import Atoms

from interphase_flows.md.candidates import Candidate
from interphase_flows.md.checkpoint import pack_arrays


def pack_candidates(candidates: Sequence[Candidate]) -> bytes:
    """Return the candidates of one run as a NumPy archive; equal candidates give equal bytes."""
    arrays = {
        "step": np.array([c.step for c in candidates]),
        "uncertainty": np.array([c.uncertainty_eV_per_angstrom for c in candidates]),
        "numbers": candidates[0].atoms.numbers,
        "positions": np.array([c.atoms.positions for c in candidates]),
        "cell": np.array([np.asarray(c.atoms.cell) for c in candidates]),
    }
    for name in ("force_std_eV_per_angstrom", "side"):
        if name in candidates[0].atoms.arrays:
            arrays[name] = np.array([c.atoms.arrays[name] for c in candidates])
    return pack_arrays(arrays)


def unpack_candidates(data: bytes) -> list[Candidate]:
    """Read the candidates written by :func:`pack_candidates`."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    result = []
    for index in range(len(arrays["step"])):
        atoms = Atoms(arrays["numbers"], arrays["positions"][index], cell=arrays["cell"][index], pbc=True)
        for name in ("force_std_eV_per_angstrom", "side"):
            if name in arrays:
                atoms.set_array(name, arrays[name][index])
        result.append(Candidate(int(arrays["step"][index]), float(arrays["uncertainty"][index]), atoms))
    return result
