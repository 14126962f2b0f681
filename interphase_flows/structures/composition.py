"""What a phase is made of, by its name in a campaign."""

from collections import Counter
from collections.abc import Mapping

from interphase_flows.structures.crystals.library import load_phase, load_structure_file


def composition_of_phase(name: str, structure_files: Mapping[str, str]) -> dict[str, float]:
    """Return the atoms of each element in a cell of a phase.

    Parameters
    ----------
    name
        Of the phase.
    structure_files
        The user's own files, by the phase's name; other phases are those of the library.

    Raises
    ------
    StructureError
        There is no such phase, or its file cannot be read.
    """
    atoms = load_structure_file(structure_files[name]) if name in structure_files else load_phase(name)
    return {symbol: float(count) for symbol, count in sorted(Counter(atoms.symbols).items())}
