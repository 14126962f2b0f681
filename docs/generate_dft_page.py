"""Write docs/dft_settings.md and its figure from docs/data/gpaw_convergence.json: `python docs/generate_dft_page.py`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interphase_flows.report.figures.style import rendered
from interphase_flows.report.sections.convergence import (
    KINDS,
    Convergence,
    choice_in_words,
    convergence_figure,
)
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3

HERE = Path(__file__).parent
DATA = HERE / "data" / "gpaw_convergence.json"
PAGE = HERE / "dft_settings.md"
FIGURE = HERE / "images" / "gpaw_convergence.png"
PUBLISHED_REACTION_EV_PER_ATOM = -0.78
TARGET_EV_PER_ATOM = 0.03

HEAD = """\
# Settings of density-functional theory

<!-- Written by docs/generate_dft_page.py from docs/data/gpaw_convergence.json. Do not edit: measure again. -->

What GPAW needs to be trusted with lithium and its sulphides, measured with this package: how far the numbers of a
cutoff and of a density of k-points are from those of the most accurate setting, lattice constants against
experiment, and the energy of the reaction that drives the interphase.
"""

HOW = """\
## Measure it yourself

A campaign file of two lines is enough, or your own:

```yaml
name: gpaw_study
reference: {{method: gpaw, cutoff_eV: {own_cutoff:g}, k_density_per_inverse_angstrom: {own_density:g}}}
```

```console
interphase converge study.yaml --dry-run                                # which settings, and roughly how long
interphase converge study.yaml --cutoffs {cutoffs} --k-densities {densities}{gamma}
python docs/measure_dft_settings.py study.yaml --cutoffs {cutoffs} --k-densities {densities}{gamma}
python docs/generate_dft_page.py                                        # writes this page
```

The first command writes `convergence.html` beside the campaign's report, and the report shows the study from then
on. Every number is a label: the study can be stopped at any time, the same command goes on, and a label that the
campaign itself has already paid for is not computed again. VASP is studied by the same commands with
`reference: vasp`.

## How a setting is judged

Total energies converge slowly and nobody uses them. Judged are the energy of the full reaction per atom of mixture,
the energy of displaced crystals above perfect ones, and forces and stress of the displaced crystals (strain up to 2 %,
atoms displaced by 0.1 Å). Each axis is swept alone from the campaign's own setting; the error of a pair is taken as
the sum of both. The largest value of an axis is the yardstick: it is not known how wrong it is, so it is never chosen.

## Geometries of the convex hull

A campaign with a surrogate relaxes cells and positions with it. With density-functional theory, by default, CHGNet
relaxes the positions **in the published cell** and the reference method gives the energy of that geometry
(`thermodynamics: {{relax_with: surrogate, cell: automatic}}`). CHGNet's own cell of Li7P3S11 is 6.8 % too large. With a
bulk modulus of some 20 GPa, an estimate, that is about 6 meV/atom above the minimum. A published cell is not the
functional's own either: by the equations of state above it costs {published}, lithium most, because its cell at
room temperature is larger than PBE's. `relax_with: reference` relaxes with the reference method, every
step a label that a resume finds again; it costs some tens of labels per phase.
"""


def gamma_alone(values: Mapping[str, Any]) -> list[str]:
    """Return what was found of Gamma alone, for a large cell, if it was checked."""
    if values["gamma"] is None:
        return []
    off, name = values["gamma"], values["electrolyte"]
    others = (
        f"The other numbers of {name} on this page are by Gamma alone, as `gamma_above_atoms` below says."
        if values["n_atoms"][name] >= values["reference"]["gamma_above_atoms"]
        else "All other numbers on this page are by meshes, which are the default."
    )
    return [
        f"- **Gamma alone is not enough for {name}** ({values['n_atoms'][name]} atoms, but one short vector): against "
        f"a mesh, its forces are off by up to {off['force_meV_per_angstrom']:.0f} meV/Å, its stress by "
        f"{off['stress_meV_per_angstrom3']:.0f} meV/Å³, its energy by {off['energy_meV_per_atom']:.0f} meV per atom of "
        f"the reaction. {others}"
    ]


def rows(study: Convergence) -> list[str]:
    """Return the table of settings."""
    lines = [
        "| cutoff (eV) | k-points per Å⁻¹ | "
        + " | ".join(f"{title.lower()} ({unit})" for title, unit in KINDS.values())
        + " | reaction (eV/atom) |",
        "| ---: | ---: | " + "---: | " * len(KINDS) + "---: |",
    ]
    for p in study.points:
        errors = ["yardstick" if p["is_yardstick"] else f"{p['worst'][kind]:.2f}" for kind in KINDS]
        energy = p["reaction_energy_eV_per_atom"]
        density = f"{p['k_density_per_inverse_angstrom']:g}"
        if p["axis"] == "gamma":
            density = f"Gamma against {density}"
        lines.append(
            f"| {p['cutoff_eV']:g} | {density} | {' | '.join(errors)} | {'–' if energy is None else f'{energy:.4f}'} |"
        )
    return lines


def details(study: Convergence) -> list[str]:
    """Return the errors by quantity of every setting that is judged."""
    lines = ["| setting | quantity | error |", "| --- | --- | ---: |"]
    for p in study.points:
        if p["is_yardstick"]:
            continue
        setting = f"{p['cutoff_eV']:g} eV, {p['k_density_per_inverse_angstrom']:g} per Å⁻¹"
        if p["axis"] == "gamma":
            setting = f"Gamma against {p['k_density_per_inverse_angstrom']:g} per Å⁻¹"
        else:
            setting = f"{setting} ({p['axis'].replace('k_density', 'k-points')})"
        for kind, (title, unit) in KINDS.items():
            for name, error in p["errors"][kind].items():
                if error > 0:
                    lines.append(f"| {setting} | {title.lower()}: {name} | {error:.2f} {unit} |")
    return lines


def lattice_rows(phases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the table of lattice constants."""
    lines = [
        "| phase | a (Å) | c (Å) | bulk modulus (GPa) | residual (meV/atom) | measured | difference in a |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for name, p in phases.items():
        for number, m in enumerate(p["measured"]):
            first = [
                name,
                f"{p['a_angstrom']:.3f}",
                "" if p["c_angstrom"] is None else f"{p['c_angstrom']:.3f}",
                f"{p['bulk_modulus_GPa']:.1f}",
                f"{p['rms_residual_meV_per_atom']:.2f}",
            ]
            own = first if number == 0 else [""] * len(first)
            lengths = f"{m['a_angstrom']:g}" + ("" if m["c_angstrom"] is None else f", {m['c_angstrom']:g}")
            off = 100 * (p["a_angstrom"] / m["a_angstrom"] - 1)
            lines.append(
                f"| {' | '.join(own)} | {lengths} Å, {m['temperature']} ({m['source']}) | {off:+.1f} % |"
            )
    return lines


def published_cells_cost(phases: Mapping[str, Mapping[str, Any]]) -> str:
    """Say by how much the cells as published, in the middle of the volumes, lie above the minima."""
    told = []
    for name, p in phases.items():
        published = p["points"][len(p["points"]) // 2]["energy_eV_per_atom"]
        told.append(f"{1000 * (published - p['energy_eV_per_atom']):.1f} meV/atom for {name}")
    return ", ".join(told)


def page(kept: Mapping[str, Any]) -> str:
    """Return the whole page."""
    study = Convergence(kept["convergence"]["values"], tuple(kept["convergence"]["notes"]))
    values, options, labels = study.values, kept["options"], kept["labels"]
    reference = values["reference"]
    own = values["own"]
    steps = [n for n in labels["scf_steps"] if n is not None]
    settings = ", ".join(f"`{name}: {value}`" for name, value in reference.items() if name != "method")
    software = ", ".join(f"{name} {v}" for name, v in kept["software"].items())
    energies = [p for p in study.points if p["reaction_energy_eV_per_atom"] is not None]
    best = max((p for p in energies if p["axis"] == "cutoff"), key=lambda p: p["cutoff_eV"])
    at_own = next(p for p in energies if p["axis"] == "cutoff" and p["cutoff_eV"] == own["cutoff_eV"])
    found = at_own["reaction_energy_eV_per_atom"]
    off = abs(found - PUBLISHED_REACTION_EV_PER_ATOM)
    tolerances = ", ".join(f"{values['tolerances'][kind]:g} {unit}" for kind, (_, unit) in KINDS.items())
    errors = ", ".join(f"{own['worst'][kind]:.2f} {unit}" for kind, (_, unit) in KINDS.items())
    largest = {"cutoff": "cutoff", "k_density": "density of k-points"}
    unjudged = "".join(
        f" Its {largest[axis]} is the largest of the study, so how wrong it is was not judged."
        for axis in own.get("unjudged", [])
    )
    exceeded = [KINDS[kind][0].lower() for kind, margin in own["margins"].items() if margin < 0]
    stress_GPa = own["worst"]["stress_meV_per_angstrom3"] * GPA_PER_EV_PER_ANGSTROM3 / 1000.0
    beyond = (
        f" Beyond its tolerance: {', '.join(exceeded)}. The error of the stress is {stress_GPa:.2f} GPa; a campaign at "
        "constant volume may live with it, one that relaxes cells should not."
        if exceeded
        else ""
    )
    is_met = "within" if off <= TARGET_EV_PER_ATOM else "not within"
    cells = ", ".join(f"{name} ({n} atoms)" for name, n in values["n_atoms"].items())
    lattice = kept["lattice_constants"]["values"]["phases"]
    parts = [
        HEAD,
        "## What was found",
        "",
        f"- {choice_in_words(values)}",
        f"- {own['cutoff_eV']:g} eV and {own['k_density_per_inverse_angstrom']:g} "
        f"k-points per Å⁻¹ are {'within' if own['is_within'] else '**not** within'} the tolerances ({tolerances}): the "
        f"errors are {errors}.{unjudged}{beyond}",
        f"- {values['reaction']}: **{found:.3f} eV/atom** with these, {best['reaction_energy_eV_per_atom']:.3f} at "
        f"{best['cutoff_eV']:g} eV, in published cells (Li7P3S11: positions relaxed with CHGNet); the published driving "
        f"force is {PUBLISHED_REACTION_EV_PER_ATOM} eV/atom, so it is {is_met} "
        f"{TARGET_EV_PER_ATOM} eV/atom of that. CHGNet gives −0.738.",
        *gamma_alone(values),
        "",
        f"Level of theory: {settings}; {software}. Cells: {cells}. {labels['n']} labels, "
        f"{labels['n_rejected']} rejected, {labels['n_corrected']} corrected by an error handler; "
        f"{min(steps)} to {max(steps)} steps of self-consistency; "
        f"{labels['peak_memory_gb']:.2f} GB at most.",
        "",
        "## Convergence",
        "",
        "![Errors against the most accurate setting](images/gpaw_convergence.png)",
        "",
        "Largest error of each kind against the yardstick of its axis:",
        "",
        *rows(study),
        "",
        *[f"{note}\n" for note in study.notes],
        *(
            [
                "Gamma alone was not checked against a mesh.",
                "",
            ]
            if values["gamma"] is None
            else []
        ),
        "By quantity:",
        "",
        *details(study),
        "",
        "## Lattice constants",
        "",
        f"Birch and Murnaghan's equation through {options['n_volumes']} volumes, lengths strained by up to "
        f"{100 * options['max_strain']:g} %, with the same cutoff and k-points. The c/a ratio of Li3P and its free "
        "coordinate are those of the start, not fitted. Measured values contain zero-point and thermal motion, computed "
        "ones do not; PBE is known to give lithium 1 % below its low-temperature value.",
        "",
        *lattice_rows(lattice),
        "",
        *[
            f"At the volume nearest to {name}'s minimum the stress along c is {phase['stress_anisotropy_GPa']:+.2f} GPa "
            "from that in the plane: so far is the c/a ratio of the start from the functional's own.\n"
            for name, phase in lattice.items()
            if phase["c_angstrom"] is not None
        ],
        *[f"{note}\n" for note in kept["lattice_constants"]["notes"]],
        HOW.format(
            published=published_cells_cost(lattice),
            cutoffs=",".join(f"{c:g}" for c in options["cutoffs"]),
            densities=",".join(f"{k:g}" for k in options["k_densities"]),
            gamma="".join(
                f" --{name.replace('_', '-')} {options[name]:g}"
                for name in ("gamma_check", "max_label_minutes")
                if options.get(name) is not None
            ),
            own_cutoff=own["cutoff_eV"],
            own_density=own["k_density_per_inverse_angstrom"],
        ),
    ]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    data = json.loads(DATA.read_text(encoding="utf-8"))
    figure = convergence_figure(Convergence(data["convergence"]["values"]))
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_bytes(rendered(figure, "gpaw_convergence", "").png)
    PAGE.write_text(page(data), encoding="utf-8")
