"""Write docs/gpaw_campaign.md from docs/data/gpaw_campaign.json: `python docs/generate_gpaw_campaign_page.py`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "data" / "gpaw_campaign.json"
PAGE = HERE / "gpaw_campaign.md"
IMAGES = HERE / "images"

HEAD = """\
# A campaign with labels by GPAW

<!-- Written by docs/generate_gpaw_campaign_page.py from docs/data/gpaw_campaign.json. Do not edit: run it again. -->

`workflows/li_li7p3s11_gpaw.yaml`, run on one busy core. Every energy, force and stress it trains on and is judged
by is density-functional theory; CHGNet only shook and melted structures before they were labelled, and relaxed the
phases of the hull. It is the quickstart with fewer labels: enough to see the loop work on real labels, far too few for a
potential to rely on.

```console
interphase run workflows/li_li7p3s11_gpaw.yaml --dry-run
interphase run workflows/li_li7p3s11_gpaw.yaml
```
"""


WHOLE_MESH = 100
"""From this ``gamma_above_atoms`` on, every cell of the campaign has a mesh."""

GAMMA_ALONE = """\
**Not to be reused.** Cells of {n} atoms and more, the interface among them, were labelled with Gamma alone. That was
[measured](dft_settings.md) while this ran, and is too little for cells with one short vector: it puts forces of Li7P3S11
off by up to 0.6 eV/Å. The loop worked on real labels of a poor sampling. `workflows/li_li7p3s11_gpaw.yaml` has a mesh
for every cell now, which makes its labels a few times dearer.
"""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def page(kept: Mapping[str, Any]) -> str:
    """Return the page."""
    labelling = kept["labelling"] or {}
    lines = [HEAD]
    gamma_above = int(kept["settings"].get("gamma_above_atoms", WHOLE_MESH))
    if gamma_above < WHOLE_MESH:
        lines += [GAMMA_ALONE.format(n=gamma_above)]
    settings = ", ".join(f"`{name}: {value}`" for name, value in kept["settings"].items())
    lines += [f"Level of theory: {kept['reference']}; {settings}.", "", "## What came out", ""]
    lines += [f"Learning ended as **{kept['outcome']}**: {kept['outcome_reason']}.", ""]
    lines += table(["quantity", "value", "what it is"], kept["headline"])
    lines += ["## Iterations", ""]
    lines += table(
        [
            "iteration",
            "training labels",
            "force error (meV/Å)",
            "energy error (meV/atom)",
            "held-out frames",
            "decision",
        ],
        [
            [
                str(each["index"]),
                str(each["n_train"]),
                f"{each['force_mae_meV_per_angstrom']:.0f}",
                f"{each['energy_mae_meV_per_atom']:.1f}",
                str(each["n_test"] or "none"),
                f"{each['decision']}: {each['reason']}",
            ]
            for each in kept["iterations"]
        ],
    )
    if (IMAGES / "gpaw_campaign_learning.png").is_file():
        lines += ["![Errors against held-out labels by GPAW](images/gpaw_campaign_learning.png)", ""]
    lines += ["## Labels", ""]
    lines += table(
        ["origin", "accepted", "rejected", "atoms, at most", "median (s)", "together (min)"],
        [
            [
                each["family"],
                str(each["n_accepted"]),
                str(each["n_rejected"]),
                str(each["n_atoms_max"]),
                f"{each['median_s']:.0f}",
                f"{each['total_s'] / 60:.1f}",
            ]
            for each in kept["families"]
        ],
    )
    scf = labelling.get("scf")
    if scf:
        lines += [
            f"{labelling['n_corrected']} labels were corrected by an error handler; {scf['n_unconverged']} did not "
            f"converge. A cycle took {scf['steps_median']:.0f} steps in the median and {scf['steps_max']} at most; a "
            f"process took {scf['peak_memory_max_gb']:.2f} GB at most.",
            "",
        ]
    lines += ["## Production", ""]
    lines += table(
        ["run", "time (ps)", "mean temperature (K)", "ended"],
        [
            [each["name"], f"{each['time_ps']:.2f}", f"{each['temperature_mean_K']:.0f}", each["stop_reason"]]
            for each in kept["replicas"]
        ],
    )
    if (IMAGES / "gpaw_campaign_anions.png").is_file():
        lines += ["![Kinds of anions against time](images/gpaw_campaign_anions.png)", ""]
    lines += ["## Reactions on the hull", ""]
    if kept["geometries"]:
        lines += [f"Geometries by {kept['geometries']}; energies by {kept['reference']}.", ""]
    lines += table(
        ["share of the electrode", "reaction", "eV/atom"],
        [
            [each["x_electrode_exact"], each["reaction"], f"{each['energy_eV_per_atom']:.3f}"]
            for each in kept["reaction"]
        ],
    )
    lines += ["## Notes of the report", "", *(f"- {note}" for note in kept["notes"]), ""]
    wall = ", ".join(f"{name} {seconds / 60:.0f} min" for name, seconds in kept["wall_time_s"].items())
    software = ", ".join(f"{name} {version}" for name, version in kept["software"].items())
    lines += [f"Time: {wall}. Software: {software}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")
