"""Public names of the package are imported lazily."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import interphase_flows


@pytest.mark.parametrize("name", interphase_flows.__all__)
def test_public_name_resolves(name):
    assert name in dir(interphase_flows)
    assert getattr(interphase_flows, name) is not None


def test_public_names_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "use_one_part.md").read_text(encoding="utf-8")
    table = page.partition("## Public names")[2]
    assert set(re.findall(r"`(\w+)`", table)) == set(interphase_flows.__all__) - {"__version__"}


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'CampainMaker'"):
        _ = interphase_flows.CampainMaker


def test_import_loads_no_heavy_library():
    script = (
        "import sys, interphase_flows\n"
        "print([name for name in ('torch', 'jobflow', 'pymatgen', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_campaign_files_are_read_without_slow_imports():
    """Every command and every worker reads a campaign file."""
    script = (
        "import sys, interphase_flows.campaign.schema\n"
        "slow = ('torch', 'pymatgen', 'scipy.spatial', 'scipy.sparse', 'ase.io', 'ase.db', 'matplotlib')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_of_the_flow_of_campaigns_loads_neither_torch_nor_plots():
    """As in a resume of a finished campaign, which computes nothing."""
    script = (
        "import sys, interphase_flows.flows.campaign, interphase_flows.report.collect.report_update\n"
        "print([name for name in ('torch', 'matplotlib', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_validation_of_a_campaign_matches_lattices_without_loading_sympy_or_networkx():
    """They take a second of every command that reads a campaign file; the module is that of a normal import."""
    script = (
        "import sys\n"
        "from interphase_flows import Campaign\n"
        "from interphase_flows.campaign.validate import check_campaign\n"
        "check_campaign(Campaign(name='unit'))\n"
        "print([name for name in ('torch', 'matplotlib', 'networkx', 'sympy') if name in sys.modules])\n"
        "loaded = sys.modules['pymatgen.analysis.interfaces.zsl']\n"
        "from pymatgen.analysis.interfaces import ZSLGenerator, zsl\n"
        "print(zsl is loaded, ZSLGenerator is loaded.ZSLGenerator)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True True"]
