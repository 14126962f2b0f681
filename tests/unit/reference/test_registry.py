"""Which reference methods there are, and what one is known by."""

import subprocess
import sys

import pytest
from ase import Atoms

from interphase_flows.exceptions import InputError
from interphase_flows.reference.registry import reference_method
from interphase_flows.settings import Settings


def test_an_unknown_method_is_an_error_that_names_those_there_are():
    """With the key of the campaign file."""
    with pytest.raises(InputError, match=r"reference\.method: 'pbe'.*chgnet"):
        reference_method("pbe")


@pytest.mark.parametrize("name", ["chgnet"])
def test_a_method_is_known_by_everything_that_changes_its_numbers_and_no_more(name):
    """Threads and device are provenance; the same method has the same key every time."""
    one, two = (reference_method(name, Settings(n_threads=n)) for n in (1, 2))
    assert one.identity == two.identity
    assert one.identity.version
    assert one.identity.key


def test_the_surrogate_says_that_it_is_one():
    """Its numbers are never to be called DFT."""
    assert reference_method("chgnet").identity.is_surrogate


def test_what_cannot_be_labelled_is_known_before():
    """Americium by name; lithium sulfide is fine."""
    method = reference_method("chgnet")
    assert "Am" in method.supports(Atoms("LiAm"))
    assert method.supports(Atoms("Li2S")) is None


def test_asking_what_a_method_is_loads_no_network():
    """Seconds that a command which only refuses does not spend."""
    code = (
        "import sys; from interphase_flows.reference.registry import reference_method; "
        "reference_method('chgnet').identity; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
