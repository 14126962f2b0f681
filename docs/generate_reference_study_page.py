"""Write docs/reference_study.md from its data in docs/data: `python docs/generate_reference_study_page.py`.

`python docs/extract_campaign.py reference_potential CAMPAIGN` writes reference_potential.json and its figure, and
`python docs/extract_labels.py CAMPAIGN` the labels.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import table

HERE = Path(__file__).parent
DATA = HERE / "data"
PAGE = HERE / "reference_study.md"
IMAGES = HERE / "images"

GOAL_FORCES_meV_per_angstrom, GOAL_ENERGY_meV_per_atom = 60.0, 15.0
PUBLISHED_LABELS, PUBLISHED_FORCES_meV_per_angstrom, PUBLISHED_ENERGY_meV_per_atom = 11596, 269.8, 119.5
FAMILIES = {
    "amorphous": "melted and quenched mixtures",
    "audit": "random frames of exploration",
    "crystal": "strained and rattled crystals",
    "eos": "equations of state",
    "explore": "selected frames of exploration",
    "interface": "interface trajectories",
    "phases": "relaxed phases of the hull",
}

HEAD = """\
# Reference study: Li and Li7P3S11

<!-- Written by docs/generate_reference_study_page.py from docs/data. Do not edit. -->

`workflows/li_li7p3s11_reference.yaml` is the study of the interphase of lithium and Li7P3S11 in large cells. Its labels
are from CHGNet, a pretrained potential, not from DFT: the study measures how well the methods of this package work, and
what a campaign costs.

**State of the study.** This page has the potential: labels, errors and cost of active learning. Production in cells of
{n_atoms:,} atoms has not been finished; its results are not shown here yet.

```console
interphase run workflows/li_li7p3s11_reference.yaml --dry-run
interphase run workflows/li_li7p3s11_reference.yaml
```
"""

KEPT = """\
## Kept labels

All {n:,} accepted labels are in `docs/data/{file}` (positions and forces rounded to 10⁻⁴ Å and 10⁻⁴ eV/Å). A campaign can
[start from them](start_from_what_you_have.md) instead of computing its own:

```yaml
reference: chgnet
initial_labels:
  files: [{file}]
  label_generated_structures: false
```
"""


def page(kept: Mapping[str, Any], n_atoms: int) -> str:
    """Return the page; ``n_atoms`` is the size of the production cell."""
    last, outcome = kept["iterations"][-1], kept["outcome"].replace("_", " ")
    lines = [HEAD.format(n_atoms=n_atoms), "## Potential", ""]
    lines += [
        f"A committee of {kept['n_members']} NequIP potentials, trained by active learning: {outcome}, "
        f"{kept['outcome_reason']}.",
        "",
    ]
    lines += table(
        ["quantity", "this study", "goal", "published study (DFT)"],
        [
            [
                "force error on held-out interface frames (meV/Å)",
                f"{last['force_mae_meV_per_angstrom']:.0f}",
                f"≤ {GOAL_FORCES_meV_per_angstrom:.0f}",
                f"{PUBLISHED_FORCES_meV_per_angstrom}",
            ],
            [
                "energy error (meV/atom)",
                f"{last['energy_mae_meV_per_atom']:.1f}",
                f"≤ {GOAL_ENERGY_meV_per_atom:.0f}",
                f"{PUBLISHED_ENERGY_meV_per_atom}",
            ],
            ["labels", f"{n_accepted(kept):,}", "1,500 to 3,000", f"{PUBLISHED_LABELS:,}"],
        ],
    )
    lines += [
        "Errors are means of absolute errors of components. The published study (J. Phys. Chem. C 129, 16043 (2025)) has "
        "DFT labels and other test frames, so its errors are context and not a comparison of methods.",
        "",
    ]
    by_element = ", ".join(
        f"{element} {1000 * error:.0f}" for element, error in kept["force_mae_of_element_eV_per_angstrom"].items()
    )
    lines += [f"Force error by element, all held-out frames (meV/Å): {by_element}.", ""]
    if (IMAGES / "reference_potential_learning.png").is_file():
        lines += ["![Errors on held-out frames by number of labels](images/reference_potential_learning.png)", ""]
    lines += table(
        ["iteration", "training labels", "force error (meV/Å)", "energy error (meV/atom)", "decision"],
        [
            [
                str(each["index"]),
                f"{each['n_train']:,}",
                f"{each['force_mae_meV_per_angstrom']:.0f}",
                f"{each['energy_mae_meV_per_atom']:.1f}",
                each["decision"],
            ]
            for each in kept["iterations"]
        ],
    )
    lines += ["## Labels", ""]
    lines += table(
        ["origin", "accepted", "rejected", "largest cell (atoms)", "median time (s)"],
        [
            [
                FAMILIES.get(each["family"], each["family"]),
                f"{each['n_accepted']:,}",
                str(each["n_rejected"]),
                str(each["n_atoms_max"]),
                f"{each['median_s']:.2f}",
            ]
            for each in kept["families"]
        ],
    )
    hours = ", ".join(f"{name} {seconds / 3600:.1f}" for name, seconds in kept["wall_time_s"].items() if seconds >= 60)
    lines += [f"Cost so far, in core hours: {hours}.", ""]
    return "\n".join([*lines, KEPT.format(n=n_accepted(kept), file="reference_labels.extxyz.xz")])


def n_accepted(kept: Mapping[str, Any]) -> int:
    """Return the number of accepted labels."""
    return sum(each["n_accepted"] for each in kept["families"])


if __name__ == "__main__":
    potential = json.loads((DATA / "reference_potential.json").read_text(encoding="utf-8"))
    PAGE.write_text(page(potential, potential["production_atoms"]), encoding="utf-8")
