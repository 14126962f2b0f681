"""A survey in a few lines of words, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from interphase_flows.analysis.interfaces.detection import NO_INTERFACE
from interphase_flows.report.text.numbers import rounded
from interphase_flows.report.text.phases import phases_in_words
from interphase_flows.report.text.transport import transport_words, trapping_words


def words_of(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line or more for every part that was asked for."""
    without: list[str] = []
    for part in (
        "boundaries",
        "kinetics",
        "fluxes",
        "transport",
        "trapping",
        "verdict",
        "profiles",
        "phases",
    ):
        found = values.get(part)
        if found is None:
            continue
        if "refused" in found and found["refused"] == NO_INTERFACE:
            without.append(part)
            continue
        if "refused" in found:
            yield f"{part}: not answered: {found['refused']}"
            continue
        yield from {
            "boundaries": _boundaries,
            "kinetics": _kinetics,
            "fluxes": _fluxes,
            "transport": transport_words,
            "trapping": trapping_words,
            "verdict": _verdict,
            "profiles": _profiles,
            "phases": phases_in_words,
        }[part](found)
    if without:
        yield f"{', '.join(without)}: not answered: {NO_INTERFACE}"


def _boundaries(found: Mapping[str, Any]) -> Iterator[str]:
    for side, each in found["sides"].items():
        yield (
            f"thickness {side}: {rounded(each['thickness_start_angstrom'])} Å at the start, "
            f"{rounded(each['thickness_end_angstrom'])} Å at the end"
        )
    yield from (f"boundaries: {note}" for note in found["notes"])


def _kinetics(found: Mapping[str, Any]) -> Iterator[str]:
    for side, each in found.items():
        if "refused" in each:
            yield f"growth {side}: not answered: {each['refused']}"
        else:
            yield f"growth {side}: {each['decision'].replace('_', ' ')}: {each['reason']}"


def _fluxes(found: Mapping[str, Any]) -> Iterator[str]:
    for side, each in found["crossings"].items():
        if "refused" in each:
            yield f"fluxes {side}: not answered: {each['refused']}"
            continue
        passed = ", ".join(
            f"{row['species']} {rounded(row['passed_atoms_per_nm2'])}"
            for row in each["rows"]
            if row["boundary"] == "electrode side"
        )
        yield f"passed {side} from the electrode into the interphase, atoms/nm²: {passed}"


def _profiles(found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"profiles: {found['n_slices']} slices of {rounded(found['slice_angstrom'])} Å in {len(found['blocks'])} blocks "
        f"of time; the cell has {rounded(found['mass_density_g_per_cm3'])} g/cm³"
    )
    coordination = found["coordination"]
    if "refused" in coordination:
        yield f"coordination: not answered: {coordination['refused']}"
        return
    for each in coordination["shells"]:
        yield (
            f"coordination: {each['name']} {rounded(each['start']['value'])} at the start, "
            f"{rounded(each['end']['value'])} at the end"
        )


def _verdict(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"verdict: {found['state']}"
    for side, each in found["sides"].items():
        if "refused" in each:
            yield f"verdict {side}: not answered: {each['refused']}"
            continue
        needed = each["trajectory_needed_ps"]
        more = ""
        if needed and needed[0] is not None:
            length = f"{rounded(needed[0], 2)} ps"
            more = (
                f" (it takes about {length} or more)"
                if each["checks"]
                else f" (nothing is judged below {length})"
            )
        yield f"verdict {side}: {each['state']}: {each['reason']}{more}"
