"""Draw the figures of docs/plot_results.md: run its blocks on a finished campaign.

python docs/generate_plot_figures.py --root runs --campaign li_li7p3s11_quickstart
"""

import argparse
import os
import re
import tempfile
from pathlib import Path

import matplotlib as mpl
from PIL import Image

PAGE = Path(__file__).parent / "plot_results.md"
IMAGES = Path(__file__).parent / "images"
COLOURS = 64
"""Few colours make the files small."""


def draw(folder: Path) -> list[Path]:
    """Run the blocks of the page with ``folder`` as the working folder; return the figures in order."""
    text = PAGE.read_text(encoding="utf-8")
    os.chdir(folder)
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), {})
    return [folder / name for name in re.findall(r'savefig\("(.*?)"', text)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder that contains all campaigns")
    parser.add_argument("--campaign", default="li_li7p3s11_quickstart", help="name of a finished campaign")
    chosen = parser.parse_args()
    os.environ |= {"INTERPHASE_ROOT": str(chosen.root.absolute()), "INTERPHASE_CAMPAIGN": chosen.campaign}
    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as temporary:
        for figure in draw(Path(temporary)):
            image = Image.open(figure).convert("RGB").quantize(COLOURS)
            image.save(IMAGES / f"plot_results_{figure.name}", optimize=True)
