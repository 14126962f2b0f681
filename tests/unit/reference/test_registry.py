"""Registry of reference methods: names, identities, and a method added by another package."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import CampaignFileError, InputError
from interphase_flows.reference.registry import ENTRY_POINT_GROUP, method_specs, reference_method
from interphase_flows.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "add_a_reference_method.md"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str) -> None:
    """Install a package of one entry point in a folder of the path."""
    metadata = folder / "emt_method-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: emt-method\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entry_point}\n")
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def emt_package(tmp_path, monkeypatch):
    """Install the file of the docs page as a separate package."""
    (tmp_path / "emt_method.py").write_text(re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    install(tmp_path, monkeypatch, "emt = emt_method:EMTSpec")
    yield tmp_path
    sys.modules.pop("emt_method", None)


def campaign_of(folder: Path, reference: str) -> Campaign:
    path = folder / "campaign.yaml"
    path.write_text(f"name: unit\nreference: {reference}\n")
    return Campaign.from_file(path)


def test_campaign_file_accepts_a_method_of_another_package(emt_package):
    spec = campaign_of(emt_package, "{method: emt, asap_cutoff: true}").reference
    method = reference_method(spec, Settings())
    assert method.identity.settings == {"asap_cutoff": True}
    assert method.label(bulk("Cu", cubic=True)).energy_eV < 0.0
    assert campaign_of(emt_package, "emt").reference == method_specs()["emt"]()


def test_spec_of_another_package_survives_serialisation(emt_package):
    campaign = campaign_of(emt_package, "{method: emt, asap_cutoff: true}")
    assert Campaign.model_validate_json(campaign.model_dump_json()) == campaign


def test_mistakes_in_the_block_of_another_package_name_line_and_allowed_keys(emt_package):
    with pytest.raises(CampaignFileError, match=r"yaml:2: reference\.asap_cut: unknown key; .*asap_cutoff"):
        campaign_of(emt_package, "{method: emt, asap_cut: true}")


def test_unknown_method_in_a_campaign_file_lists_the_registered_ones(emt_package):
    with pytest.raises(CampaignFileError, match=r"yaml:2: reference: .*'pbe'.*'chgnet', 'gpaw', 'vasp', 'emt'"):
        campaign_of(emt_package, "pbe")


def test_unknown_method_name_raises_input_error_with_the_registered_names():
    with pytest.raises(InputError, match=r"reference\.method: 'pbe'.*chgnet, gpaw, vasp"):
        reference_method("pbe")


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("emt = no_such_module:EMTSpec", "package emt-method: cannot be loaded: ModuleNotFoundError"),
        ("emt = pathlib:Path", "not a subclass of .*MethodSpec"),
        ("gpaw = pathlib:Path", "'gpaw' exists already"),
    ],
)
def test_faulty_entry_point_raises_input_error_with_its_package(tmp_path, monkeypatch, entry_point, message):
    install(tmp_path, monkeypatch, entry_point)
    with pytest.raises(InputError, match=message):
        method_specs()


def test_identity_is_independent_of_machine_settings():
    one, two = (reference_method("chgnet", Settings(n_threads=n)) for n in (1, 2))
    assert one.identity == two.identity
    assert one.identity.version
    assert one.identity.key


def test_chgnet_is_marked_as_surrogate():
    assert reference_method("chgnet").identity.is_surrogate


def test_supports_names_elements_outside_the_training_set():
    method = reference_method("chgnet")
    assert "Am" in method.supports(Atoms("LiAm"))
    assert method.supports(Atoms("Li2S")) is None


@pytest.mark.skipif(find_spec("chgnet") is None, reason="chgnet is not installed")
def test_identity_does_not_import_torch():
    code = (
        "import sys; from interphase_flows.reference.registry import reference_method; "
        "reference_method('chgnet').identity; print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
