"""Checks of a machine that has no compiler or does not use it, which is no failure."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.runners.site_check.machine_checks import check_machine
from interphase_flows.settings import Settings


@pytest.mark.parametrize(
    ("compiler", "settings", "compiled", "message"),
    [
        ("no-such-compiler", "auto", "auto", "no C++ compiler; potentials are evaluated eagerly"),
        ("true", "auto", "auto", "true compiles potentials for "),
        ("true", "never", "auto", "compile_potentials: never, in the settings"),
        ("true", "auto", "off", "committee.compiled: off, in the campaign file"),
    ],
)
def test_check_prints_how_potentials_are_evaluated(tmp_path, monkeypatch, compiler, settings, compiled, message):
    monkeypatch.setenv("CXX", compiler)
    campaign = Campaign(name="unit", committee=CommitteeSpec(compiled=compiled))
    checks = check_machine(Settings(root=tmp_path, compile_potentials=settings), campaign)
    found = next(check for check in checks if check.name == "compiled potentials")
    assert found.passed
    assert message in found.message
