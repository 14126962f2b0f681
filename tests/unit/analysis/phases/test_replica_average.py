"""What replicas say together of phases."""

import pytest

from interphase_flows.analysis.phases.replica_average import pooled_phases
from interphase_flows.analysis.speciation.anion_history import FORMERS, LIGANDS

WHY = {"refused": "not asked"}


def replica(n_domains=0, diameter_angstrom=0.0, n_events=0, n_independent=1.0):
    """The plain values of a replica in which most was refused."""
    graph = {
        "least_frames": 3,
        "transitions": [
            {"before": "PS4", "after": "PSx", "n_events": n_events, "n_independent": n_independent}
        ]
        if n_events
        else [],
        "at_risk_atom_ps": {"PS4": 100.0},
    }
    return {
        "anions": {when: {} for when in ("start", "end", "centre_share_start", "centre_share_end")},
        "reactions": {FORMERS: WHY, LIGANDS: graph},
        "kinetics": {"shares": {}},
        "labels": WHY,
        "percolation": WHY,
        "domains": {"Li2S": {"n_domains": n_domains, "mean_diameter_angstrom": diameter_angstrom}},
        "order": {"pairs": {}},
    }


def test_a_replica_without_domains_makes_those_of_others_no_smaller():
    found = pooled_phases([replica(2, 30.0), replica(), replica(1, 32.0)])["domains"]["Li2S"]
    assert found["n_domains"]["value"] == pytest.approx(1.0)
    assert found["mean_diameter_angstrom"]["value"] == pytest.approx(31.0)
    none = pooled_phases([replica(), replica()])["domains"]["Li2S"]
    assert none["mean_diameter_angstrom"]["value"] is None


def test_events_of_replicas_are_worth_what_they_are_worth_together():
    """Eight atoms in two groups of four and two atoms apart: 10² / (2 x 16 + 2) independent events."""
    found = pooled_phases([replica(n_events=8, n_independent=2.0), replica(n_events=2, n_independent=2.0)])
    assert found["reactions"][FORMERS] == WHY
    [arrow] = found["reactions"][LIGANDS]["transitions"]
    assert arrow["n_independent"] == pytest.approx(100 / 34)
    assert arrow["rate_per_ps"] == pytest.approx(10 / 200)
    assert arrow["lower_per_ps"] < 0.25 * arrow["rate_per_ps"]  # ten independent events: 0.48
