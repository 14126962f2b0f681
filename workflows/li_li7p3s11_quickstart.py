"""The quickstart campaign in Python: equal to li_li7p3s11_quickstart.yaml, key by key."""

from interphase_flows.campaign.schema import Campaign

campaign = Campaign(
    name="li_li7p3s11_quickstart",
    description="Li/Li7P3S11 on a laptop, labels from the CHGNet surrogate (not DFT)",
    structures={
        "crystals": {"n_per_phase": 3}, "amorphous": {"snapshot_interval_steps": 6},
        "equations_of_state": {"n_rattled_per_volume": 8, "max_rattle_fraction": 0.15},
        "interfaces": {
            "snapshots": {"temperatures_K": [400, 600, 800, 500], "n_steps": 48, "snapshot_interval_steps": 6}},
    },
    committee={"n_members": 2, "training": {"max_epochs": 40, "warm_start_epochs": 8, "batch_size": 3}},
    exploration={
        "dynamics": {"ensemble": "npt", "temperature_K": 500, "friction_per_ps": 20}, "steps_per_iteration": 150},
    learning={
        "max_iterations": 1, "labels_per_iteration": 32, "crystal_fraction": 0.3,
        "select_force_error_eV_per_angstrom": 0.8, "stop_force_error_eV_per_angstrom": 2.0},
    production={
        "interface": {
            "electrode_angstrom": 30, "electrolyte_angstrom": 25, "lateral_angstrom": 12, "facets": ["110/001"],
        }, "dynamics": {"friction_per_ps": 50}, "equilibration_fs": 1000, "n_replicas": 2,
        "steps_per_segment": 1200, "checkpoint_interval_steps": 150, "frame_interval_steps": 15,
        "uncertainty_interval_steps": 15, "audit_labels_per_replica": 2,
    },
    transport_grid={
        "electrode_fractions": [0.07, 0.53], "n_per_fraction": 1, "temperatures_K": [900, 1200, 1500],
        "melt_steps": 150, "quench_steps": 150, "friction_per_ps": 5, "equilibration_steps": 100, "n_segments": 1,
        "steps_per_segment": 300, "frame_interval_steps": 5, "uncertainty_interval_steps": 25,
        "checkpoint_interval_steps": 150, "n_atoms": 45,
    },
)  # fmt: skip

if __name__ == "__main__":
    from interphase_flows.runners.local import run_campaign
    from interphase_flows.settings import load_settings

    print(run_campaign(campaign, load_settings()).outcome)
