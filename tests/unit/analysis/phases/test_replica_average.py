"""Phases averaged over replicas."""

import numpy as np
import pytest

from interphase_flows.analysis.phases.replica_average import average_phases
from interphase_flows.analysis.phases.results import (
    BondLengths,
    DiffractionResult,
    ElementRoles,
    OrderResult,
    PhaseDomains,
    PhasesResult,
    SharesKinetics,
)
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_history import FORMERS, LIGANDS
from interphase_flows.analysis.speciation.reaction_graph import Transition
from interphase_flows.analysis.speciation.results import AnionsResult, ReactionsResult
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError

MISSING = Unavailable(reason="not requested", hint="request it")


def replica(n_domains=0, diameter_angstrom=0.0, n_events=0, n_independent=1.0) -> PhasesResult:
    """Return the result of a replica in which most is unavailable."""
    arrows = (
        [Transition("PS4", "PSx", n_events, Estimate(0.0, 0.0, 0.0, n_independent=n_independent))] if n_events else []
    )
    return PhasesResult(
        phases={},
        roles=ElementRoles(mobile_cations=["Li"], network_formers=["P"], anion_formers=["S"]),
        bonds_angstrom=BondLengths(former_ligand=2.6, former_former=2.6, ligand_ligand=2.4, cation_ligand=3.3),
        anions=AnionsResult(labels=[], n_frames=1, start={}, end={}, centre_share_start={}, centre_share_end={}),
        reactions={
            FORMERS: MISSING,
            LIGANDS: ReactionsResult(least_frames=3, transitions=arrows, at_risk_atom_ps={"PS4": 100.0}),
        },
        labels=MISSING,
        references=MISSING,
        percolation=MISSING,
        domains={
            "Li2S": PhaseDomains(
                n_domains=n_domains,
                n_anions=0,
                mean_diameter_angstrom=diameter_angstrom,
                domains=[],
                scherrer=MISSING,
            )
        },
        diffraction=DiffractionResult(n_frames=0, n_spheres=0, sphere_angstrom=30.0, limit="", lines={}),
        order=OrderResult(r_angstrom=7.0, frames_per_window=1.0, pairs={}),
        kinetics=SharesKinetics(depletion_measure="", shares={}),
    )


def test_mean_diameter_leaves_out_replicas_without_domains():
    found = average_phases([replica(2, 30.0), replica(), replica(1, 32.0)]).domains["Li2S"]
    assert found.n_domains.value == pytest.approx(1.0)
    assert found.mean_diameter_angstrom.value == pytest.approx(31.0)
    none = average_phases([replica(), replica()]).domains["Li2S"]
    assert np.isnan(none.mean_diameter_angstrom.value)


def test_reactions_of_replicas_are_counted_together():
    """Eight atoms in two groups of four and two atoms apart: 10² / (2 x 16 + 2) independent events."""
    found = average_phases([replica(n_events=8, n_independent=2.0), replica(n_events=2, n_independent=2.0)])
    assert found.reactions[FORMERS] == MISSING
    [arrow] = found.reactions[LIGANDS].transitions
    assert arrow.rate_per_ps.n_independent == pytest.approx(100 / 34)
    assert arrow.rate_per_ps.value == pytest.approx(10 / 200)
    assert arrow.rate_per_ps.lower < 0.25 * arrow.rate_per_ps.value  # ten independent events: 0.48


def test_missing_results_keep_their_hint():
    found = average_phases([replica(), replica()])
    assert [found.labels, found.percolation, found.reactions[FORMERS]] == [MISSING] * 3
    with pytest.raises(AnalysisError, match=r"in all replicas: not requested\. Hint: request it"):
        average_phases([MISSING, MISSING])
