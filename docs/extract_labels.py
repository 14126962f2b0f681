"""Keep the labels of a campaign as a small file: `python docs/extract_labels.py CAMPAIGN FILE.extxyz.xz [--root runs]`.

Positions (Å), forces (eV/Å) and stress (eV/Å³) are rounded, which leaves forces consistent with energies to 1 meV/Å.
"""

import argparse
import lzma
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from interphase_flows.commands.export import export_dataset
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.settings import load_settings

DECIMALS = {"energy": 6, "forces": 4, "stress": 7}
POSITION_DECIMALS = 4
KEPT_INFO = ("origin",)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign")
    parser.add_argument("target", type=Path)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    options = parser.parse_args()
    results = CampaignResults(options.campaign, settings=load_settings(root=options.root))
    with tempfile.TemporaryDirectory() as folder:
        dataset, rounded = Path(folder) / "labels.extxyz", Path(folder) / "rounded.extxyz"
        export_dataset(results, dataset)
        frames = [rounded_frame(frame) for frame in read_extxyz(dataset)]
        write(rounded, frames, format="extxyz")
        with atomic_path(options.target) as temporary:
            temporary.write_bytes(lzma.compress(rounded.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


def rounded_frame(frame: Atoms) -> Atoms:
    """Return a frame with fewer digits and with its labels and origin alone."""
    kept = Atoms(
        frame.numbers,
        positions=frame.positions.round(POSITION_DECIMALS),
        cell=frame.cell.array.round(POSITION_DECIMALS),
        pbc=frame.pbc,
        info={name: frame.info[name] for name in KEPT_INFO if name in frame.info},
    )
    values = {name: np.round(frame.calc.results[name], digits) for name, digits in DECIMALS.items()}
    kept.calc = SinglePointCalculator(kept, **values)
    return kept


if __name__ == "__main__":
    main()
