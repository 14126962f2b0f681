"""What a survey says of transport and trapping, in a few lines of words, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

L = "onsager_per_eV_angstrom_ps"


def transport_words(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the coefficients of the whole cell, conduction, windows and slabs, or why there are none."""
    whole = found["entire_cell"]
    if "refused" in whole:
        yield f"transport of the whole cell: not answered: {whole['refused']}"
    else:
        numbers = ", ".join(f"{symbol} {_diagonal(whole[L], i)}" for i, symbol in enumerate(whole["species"]))
        yield f"L_ii, 1/(eV Å ps): {numbers}{'' if whole['stationary'] else '; not stationary'}"
        beyond = _decided(whole["beyond_frame_per_eV_angstrom_ps"], whole["species"])
        yield f"correlation beyond the {found['frame']} frame: {beyond or 'none that differs from zero'}"
        yield from _conduction(whole.get("conduction"), found)
    yield from _windows(found["windows"])
    yield from _slabs(found["slabs"])


def trapping_words(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every label of every interface."""
    for side, labels in found["sides"].items():
        for label, each in labels.items():
            if "refused" in each:
                yield f"trapping {side}, {label}: not answered: {each['refused']}"
            else:
                yield (
                    f"trapping {side}, {label}: {each['state'].replace('_', ' ')}: {each['reason']}; lifetime over that "
                    f"of diffusion {_interval(each['ratio'])}"
                )


def _conduction(found: Mapping[str, Any] | None, transport: Mapping[str, Any]) -> Iterator[str]:
    if found is None:
        yield f"conductivity: not answered: {transport['charges_from']}"
        return
    if "refused" in found:
        yield f"conductivity: not answered: {found['refused']}"
        return
    charges = ", ".join(
        f"{symbol} {charge:+g}".replace("-", "−") for symbol, charge in transport["charges_e"].items()
    )
    yield (
        f"conductivity {_interval(found['conductivity_S_per_m'])} S/m, Haven ratio {_interval(found['haven_ratio'])}, "
        f"with charges {charges} ({transport['charges_from']})"
    )


def _windows(found: Mapping[str, Any]) -> Iterator[str]:
    if "refused" in found:
        yield f"L_ij against time: not answered: {found['refused']}"
        return
    known = [row for row in found["rows"] if L in row]
    yield (
        f"L_ij against time: {len(known)} of {len(found['rows'])} windows of {found['window_ps']:.4g} ps support numbers"
    )
    if "change_per_eV_angstrom_ps_ns" in found:
        change, species = found["change_per_eV_angstrom_ps_ns"], known[0]["species"]
        moving = [
            f"{symbol} {_diagonal(change, i)}"
            for i, symbol in enumerate(species)
            if _differs_from_zero(change, i, i)
        ]
        yield f"change of L_ii, 1/(eV Å ps) per ns: {', '.join(moving) or 'none that differs from zero'}"


def _slabs(found: Mapping[str, Any]) -> Iterator[str]:
    if "refused" in found:
        yield f"L_ij by slab: not answered: {found['refused']}"
        return
    last = max(row["start_ps"] for row in found["rows"])
    for row in found["rows"]:
        if row["start_ps"] != last:
            continue
        for axis, words in (("in_plane", "in the plane"), ("normal", "along the normal")):
            result = row[axis]
            if "refused" in result:
                yield f"{row['name']}, {words}: not answered: {result['refused']}"
            else:
                numbers = ", ".join(
                    f"{symbol} {_diagonal(result[L], i)}" for i, symbol in enumerate(result["species"])
                )
                yield f"{row['name']}, {words}, L_ii: {numbers}"


def _decided(matrix: Mapping[str, Any], species: Sequence[str]) -> str:
    """Name the pairs whose interval does not hold zero."""
    return ", ".join(
        f"{species[i]}-{species[j]} {_of(matrix, i, j)}"
        for i in range(len(species))
        for j in range(i, len(species))
        if _differs_from_zero(matrix, i, j)
    )


def _differs_from_zero(matrix: Mapping[str, Any], i: int, j: int) -> bool:
    """Say whether an interval, of which an end that is not finite is None, does not hold zero."""
    lower, upper = matrix["lower"][i][j], matrix["upper"][i][j]
    return (lower is not None and lower > 0) or (upper is not None and upper < 0)


def _diagonal(matrix: Mapping[str, Any], i: int) -> str:
    return _of(matrix, i, i)


def _of(matrix: Mapping[str, Any], i: int, j: int) -> str:
    return _interval({name: matrix[name][i][j] for name in ("value", "lower", "upper")})


def _interval(numbers: Mapping[str, float | None]) -> str:
    value, lower, upper = (
        "–" if numbers[name] is None else f"{numbers[name]:.3g}" for name in ("value", "lower", "upper")
    )
    return f"{value} [{lower}, {upper}]"
