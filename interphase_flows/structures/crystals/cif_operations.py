"""Symmetry operations of a CIF: its operators, or those of the settings that its symbols allow."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.cif import CIFBlock
from ase.spacegroup.spacegroup import parse_sitesym

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.cif_settings import Setting, fits_cell, operations, settings_of

MAGNETIC_OPERATORS = "_space_group_symop_magn"


def candidate_operations(
    block: CIFBlock, cell: FloatArray, path: Path
) -> Iterator[tuple[str, tuple[IntArray, FloatArray]]]:
    """Yield the names and operations of the settings that a file allows."""
    operators = block._get_sitesym()
    magnetic: Any = block.get(f"{MAGNETIC_OPERATORS}_operation.xyz")
    if operators:
        yield "of its operators", _parsed(operators, path)
        return
    if magnetic:
        # the last of four parts is the reversal of time
        rotations, translations = _parsed([str(each).rpartition(",")[0] for each in magnetic], path)
        centring: Any = block.get(f"{MAGNETIC_OPERATORS}_centering.xyz") or ["x,y,z,+1"]
        _, shifts = _parsed([str(each).rpartition(",")[0] for each in centring], path)
        yield (
            "of its magnetic operators",
            (np.tile(rotations, (len(shifts), 1, 1)), np.concatenate([translations + shift for shift in shifts])),
        )
        return
    symbol, number = block._get_spacegroup_name(), block._get_spacegroup_number()
    hall = block.get("_space_group_name_hall", block.get("_symmetry_space_group_name_hall"))
    symbol, hall = (None if each in {None, "?", "."} else str(each) for each in (symbol, hall))
    try:
        number = None if number in {None, "?", "."} else int(number)
    except (TypeError, ValueError):
        number = -1
    if symbol is None and number is None and hall is None:
        yield "P 1", operations(1)
        return
    candidates: list[Setting] = settings_of(symbol, number, hall)
    fitting = [each for each in candidates if fits_cell(operations(each.hall_number)[0], cell)]
    stated = ", ".join(str(each) for each in (symbol, number, hall) if each is not None)
    if not fitting:
        reason = "no known setting has these symbols" if not candidates else "the cell does not have this symmetry"
        raise StructureError(
            f"{path}: has no symmetry operators, and the space group {stated!r} gives no setting: {reason}. Hint: export "
            "the file with its symmetry operators (_space_group_symop_operation_xyz)"
        )
    for setting in fitting:
        yield setting.description, operations(setting.hall_number)


def _parsed(operators: Iterable[object], path: Path) -> tuple[IntArray, FloatArray]:
    try:
        rotations, translations = parse_sitesym([str(each) for each in operators])
    except (ValueError, IndexError, KeyError, SyntaxError, NameError) as error:
        raise StructureError(
            f"{path}: the symmetry operators cannot be parsed ({error}). Hint: export the file again"
        ) from error
    return np.asarray(rotations, dtype=np.int64), np.asarray(translations, dtype=float)
