"""The convergence study as a figure, a section of a report and a page of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from interphase_flows.report.figures.style import (
    CYCLE,
    DASHES,
    GREY,
    VERMILION,
    FigureFile,
    figure_style,
    rendered,
)
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.schemas.convergence import ConvergenceStudyDoc

PAGE_NAME = "convergence.html"
KINDS = {
    "energy_meV_per_atom": ("Energy differences", "meV/atom"),
    "force_meV_per_angstrom": ("Forces", "meV/Å"),
    "stress_meV_per_angstrom3": ("Stress", "meV/Å³"),
}
AXES = {
    "cutoff": ("cutoff_eV", "Cutoff (eV)"),
    "k_density": ("k_density_per_inverse_angstrom", "k-points per Å⁻¹"),
}
FLOOR = 1e-3
"""Errors below are drawn here: the axis is logarithmic."""


@dataclass(frozen=True)
class Convergence:
    """A study as it is stored; ``values`` are those of its document."""

    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    swept: tuple[str, ...] = field(default=("cutoff", "k_density"))

    @classmethod
    def of(cls, document: ConvergenceStudyDoc) -> "Convergence":
        """Return what a report shows of a study."""
        return cls(document.model_dump(mode="json"), tuple(document.notes))

    @property
    def points(self) -> list[Mapping[str, Any]]:
        """Every setting on every axis, its errors against the axis' yardstick."""
        return list(self.values["points"])

    def along(self, axis: str) -> list[Mapping[str, Any]]:
        """Return the settings of one axis in order."""
        return [point for point in self.points if point["axis"] == axis]


def convergence_figure(study: Convergence | None) -> Figure | None:
    """Errors against the most accurate setting, per axis and kind, with the tolerances."""
    if study is None:
        return None
    axes_swept = [axis for axis in AXES if len(study.along(axis)) > 1]
    if not axes_swept:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 2.7 * len(axes_swept) + 0.5))
        panels = figure.subplots(len(axes_swept), len(KINDS), squeeze=False)
        names = list(dict.fromkeys(n for p in study.points for kind in KINDS for n in p["errors"][kind]))
        # one colour per phase, whatever of it is judged
        phases = list(dict.fromkeys(name.split(",")[0] for name in names))
        for row, axis in zip(panels, axes_swept, strict=True):
            key, label = AXES[axis]
            points = [p for p in study.along(axis) if not p["is_yardstick"]]
            for panel, (kind, (title, unit)) in zip(row, KINDS.items(), strict=True):
                for name in names:
                    number = phases.index(name.split(",")[0])
                    found = [(p[key], p["errors"][kind][name]) for p in points if name in p["errors"][kind]]
                    # a cell at Gamma has no k-points to converge: it is not drawn as converged
                    if not any(error > 0 for _, error in found):
                        continue
                    panel.plot(
                        [x for x, _ in found],
                        [max(error, FLOOR) for _, error in found],
                        DASHES[number % len(DASHES)],
                        marker="o",
                        markersize=4,
                        color=CYCLE[number % len(CYCLE)],
                        label=phases[number],
                    )
                tolerance = study.values["tolerances"][kind]
                panel.axhline(tolerance, color=VERMILION, linewidth=1, linestyle=(0, (4, 3)))
                panel.set_yscale("log")
                panel.set_title(title)
                panel.set_ylabel(f"error ({unit})")
                panel.set_xlabel(label)
                panel.set_xticks([p[key] for p in points])
                panel.margins(x=0.15)
        handles: dict[str, Any] = {}
        for panel in panels.flat:
            for line, name in zip(*panel.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, line)
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            fontsize=8.5,
            labelcolor=GREY,
        )
    return figure


def convergence_section(study: Convergence) -> Markup:
    """Return the section as HTML, without its figure."""
    template = section_environment().get_template("convergence.html")
    return Markup(template.render(study=study, values=study.values, kinds=KINDS, axes=AXES))


def write_convergence_page(document: ConvergenceStudyDoc, folder: Path) -> Path:
    """Write ``convergence.html`` and its figure into the folder of a report, and return the page's path."""
    study = Convergence.of(document)
    figure = convergence_figure(study)
    picture: FigureFile | None = None
    if figure is not None:
        picture = rendered(figure, "convergence", "Errors of settings against the most accurate one")
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        picture.write(folder / "figures")
    folder.mkdir(parents=True, exist_ok=True)
    template = section_environment().get_template("convergence_page.html")
    page = template.render(section=convergence_section(study), picture=picture, values=study.values)
    write_bytes_atomic(folder / PAGE_NAME, page.encode("utf-8"))
    return folder / PAGE_NAME


def choice_summary(values: Mapping[str, Any]) -> str:
    """Say which setting was chosen, with its margins."""
    chosen = values["chosen"]
    if chosen is None:
        return "No setting below the most accurate ones is within the tolerances."
    margins = ", ".join(
        f"{chosen['worst'][kind]:.2g} of {values['tolerances'][kind]:g} {unit}"
        for kind, (_, unit) in KINDS.items()
    )
    return (
        f"Cheapest within the tolerances: {chosen['cutoff_eV']:g} eV, "
        f"{chosen['k_density_per_inverse_angstrom']:g} k-points per Å⁻¹ (errors {margins})."
    )
