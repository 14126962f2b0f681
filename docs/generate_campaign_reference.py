"""Write docs/campaign_file.md from the schema of a campaign file: `python docs/generate_campaign_reference.py`.

Types, ranges and defaults come from the pydantic models, units from the names of the keys; what a key means is
said below, once per key. A key without a meaning, or a meaning without a key, stops the generator.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from interphase_flows.campaigns.schema import Campaign

PAGE = Path(__file__).parent / "campaign_file.md"

INTRODUCTION = """\
# The campaign file

<!-- Written by docs/generate_campaign_reference.py. Do not edit: change the schema or the generator. -->

A campaign file is YAML. `interphase init` writes one with comments. Only `name` is required; every other key has
a default. An unknown key, a wrong type or a value out of range stops the campaign before anything starts: all
mistakes are listed at once, each with its line. Units are part of the names of keys.

`interphase check campaign.yaml` tells whether this machine has what a file needs, and
`interphase run campaign.yaml --dry-run` prints what it will do and roughly how long that takes.

In the tables, ≥, >, ≤ and < are bounds of a number, or of every item of a list.
"""

UNIT_OF_SUFFIX = {
    "_mev_per_angstrom": "meV/Å",
    "_ev_per_angstrom": "eV/Å",
    "_ev_per_atom": "eV/atom",
    "_eV_per_electron": "eV/electron",
    "_eV": "eV",
    "_angstrom": "Å",
    "_per_ps": "1/ps",
    "temperature_K": "K",
    "temperatures_K": "K",
    "_fs": "fs",
    "_steps": "steps",
}
UNIT_OF_KEY = {"steps_per_iteration": "steps", "steps_per_segment": "steps"}

MEANINGS = {
    "name": "Name of the campaign and of its folder.",
    "description": "One line, printed with the plan.",
    "seed": "Every other seed follows from it.",
    "electrode": "Phase of the electrode; must be among `phases`.",
    "electrolyte": "Phase of the electrolyte; must be among `phases`.",
    "phases": "Phases that are trained on as crystals, and that the convex hull knows.",
    "hull_phases": "More phases, for the convex hull alone.",
    "structure_files": (
        "File (CIF, POSCAR, extxyz) of each phase that the package does not have, by name; a relative "
        "path is from the folder of the campaign file. Electrode and electrolyte may come from files too; they "
        "are called by their formulas."
    ),
    "reference (chgnet).method": "CHGNet, a surrogate and not DFT. `reference: chgnet` is short for the block.",
    "reference (gpaw).method": "Density-functional theory by GPAW. `reference: gpaw` is short for the block.",
    "reference (gpaw).functional": "Exchange and correlation.",
    "reference (gpaw).cutoff_eV": "Kinetic energy of the highest plane wave.",
    "reference (gpaw).k_density_per_inverse_angstrom": "K-points along a reciprocal vector of 1 Å⁻¹, Gamma included.",
    "reference (gpaw).gamma_above_atoms": "From this number of atoms on, Gamma alone; for cells long in every direction.",
    "reference (gpaw).smearing_eV": "Width of the Fermi-Dirac occupations, for metal and salt alike.",
    "reference (gpaw).spin_polarized": "Two spin channels in every cell.",
    "reference (gpaw).scf_energy_tolerance_eV_per_electron": "Change of the energy at which the cycle has converged.",
    "reference (gpaw).scf_density_tolerance_per_electron": "Change of the density at which the cycle has converged.",
    "reference (gpaw).max_scf_steps": "Steps of the self-consistency cycle before a label has not converged.",
    "reference (vasp).method": "Density-functional theory by VASP (licensed). `reference: vasp` is short for the block.",
    "reference (vasp).code_version": "VASP's version, checked in its output: `6` takes any 6.x.y, `6.4` any 6.4.y.",
    "reference (vasp).functional": "Exchange and correlation.",
    "reference (vasp).cutoff_eV": "ENCUT.",
    "reference (vasp).k_density_per_inverse_angstrom": "K-points along a reciprocal vector of 1 Å⁻¹, Gamma included.",
    "reference (vasp).gamma_above_atoms": "From this number of atoms on, Gamma alone.",
    "reference (vasp).smearing_eV": "SIGMA, with ISMEAR 0, for metal and salt alike.",
    "reference (vasp).spin_polarized": "ISPIN 2 in every cell.",
    "reference (vasp).scf_energy_tolerance_eV": "EDIFF.",
    "reference (vasp).real_space_projection": "LREAL Auto rather than False.",
    "reference (vasp).potentials": "Release of the potentials (POTCAR).",
    "reference (vasp).max_scf_steps": "NELM.",
    "structures.dynamics_method": (
        "What drives melts, quenches and interface snapshots: CHGNet, or the reference method itself. Labels "
        "always come from the reference method."
    ),
    "gates.max_force_ev_per_angstrom": "A label with a larger force on any atom is rejected.",
    "gates.min_distance_fraction": (
        "A structure with two atoms closer than this fraction of the sum of their covalent radii is rejected "
        "before it is labelled."
    ),
    "gates.energy_window_ev_per_atom": (
        "A label whose energy per atom is farther than this from the fit of its composition is left out of the "
        "data set."
    ),
    "gates.max_virial_ev_per_atom": (
        "A label with a larger principal stress times the volume of an atom is rejected: its stress is in other "
        "units."
    ),
    "gates.max_net_force_ev_per_angstrom": (
        "A label whose forces add up to more than this times the square root of the number of atoms is rejected."
    ),
    "gates.max_asymmetry_ev_per_angstrom": (
        "A label is rejected if forces that the crystal's symmetry maps onto each other differ by more."
    ),
    "gates.duplicate_tolerance_angstrom": (
        "A structure is refused if a rigid motion brings all its atoms this near to those of an earlier one."
    ),
    "structures.crystals.n_per_phase": "Strained and rattled copies of each phase, beside the perfect crystal.",
    "structures.crystals.max_strain": "Largest component of the random strain.",
    "structures.crystals.rattle_angstrom": "Standard deviation of each component of a displacement.",
    "structures.crystals.min_atoms": "A crystal is repeated until it has as many atoms.",
    "structures.max_first_labels": (
        "Label at most so many of the first structures: the perfect crystals, one of every origin, then the most "
        "diverse; siblings of those are left out. Empty: all."
    ),
    "structures.equations_of_state.n_volumes": "Isotropically scaled cells of each phase.",
    "structures.equations_of_state.max_strain": "Largest strain of their lengths, in compression and expansion.",
    "structures.vacancies.n_per_phase": (
        "Supercells of each phase with one neutral vacancy; sites that symmetry tells apart are taken in turn, one "
        "of each element first."
    ),
    "structures.vacancies.min_atoms": "A crystal is repeated until it has as many atoms, before one is taken out.",
    "structures.vacancies.rattle_angstrom": "Standard deviation of each component of a displacement.",
    "structures.slabs.n_per_phase": (
        "Slabs of each phase, one per face, those of lowest indices first; every molecular anion stays whole."
    ),
    "structures.slabs.max_miller": "Largest Miller index.",
    "structures.slabs.min_thickness_angstrom": "Thickness, rounded up to whole lattice planes.",
    "structures.slabs.vacuum_angstrom": "Height of the vacuum.",
    "structures.slabs.max_atoms": "Larger slabs are left out.",
    "structures.dimers.n_distances": "Distances of each pair of elements, two atoms in an empty box. They only train.",
    "structures.dimers.min_distance_fraction": (
        "Shortest distance, as a fraction of the sum of the covalent radii; not below `gates.min_distance_fraction`."
    ),
    "structures.dimers.max_distance_fraction": "Longest distance, likewise.",
    "structures.dimers.isolated_atoms": "An atom of each element alone in the box, too.",
    "structures.dimers.box_angstrom": "Edge of the box.",
    "structures.amorphous.electrode_fractions": "Fractions of atoms that come from the electrode.",
    "structures.amorphous.n_per_fraction": "Cells per fraction.",
    "structures.amorphous.n_atoms": "Atoms per cell.",
    "structures.amorphous.melt_temperature_K": "Temperature of the melt.",
    "structures.amorphous.quench_temperature_K": "Temperature of the quench.",
    "structures.amorphous.melt_steps": "Length of the melt.",
    "structures.amorphous.quench_steps": "Length of the quench.",
    "structures.amorphous.timestep_fs": "Time step of both.",
    "structures.amorphous.snapshot_interval_steps": "Spacing of the frames that are labelled.",
    "structures.interfaces.size": (
        "`laptop`: the smallest cells of Li on Li7P3S11, for that pair only. `coherent`: the best lattice match "
        "within `max_atoms`."
    ),
    "structures.interfaces.gap_angstrom": "Empty height between the two sides as built.",
    "structures.interfaces.max_strain": "Largest strain of the electrode.",
    "structures.interfaces.max_atoms": "Atoms of the cell, at most.",
    "structures.interfaces.facets": (
        "Faces of electrode and electrolyte (`110/001`, `1-10/011`) that trajectories and walkers take in turn. "
        "Empty: the one of `size`, which for `coherent` is 110/001."
    ),
    "structures.interfaces.gaps_angstrom": (
        "Gaps that they take in turn, after the faces. Empty: `gap_angstrom`."
    ),
    "structures.interfaces.n_as_built": (
        "Interfaces of each pair of faces and each gap that are labelled as they were built, beside the trajectories."
    ),
    "structures.interfaces.snapshots.temperatures_K": (
        "One short trajectory of the interface per temperature, with the reference method. Fewer than three "
        "leave a side of the split empty."
    ),
    "structures.interfaces.snapshots.n_steps": "Length of each.",
    "structures.interfaces.snapshots.timestep_fs": "Time step of each.",
    "structures.interfaces.snapshots.snapshot_interval_steps": "Spacing of the frames that are labelled.",
    "committee.n_members": "Potentials; they differ by seed alone.",
    "committee.model.cutoff_angstrom": "Radius of an atom's neighbourhood.",
    "committee.model.n_layers": "Interaction layers of NequIP.",
    "committee.model.l_max": "Largest degree of the spherical harmonics.",
    "committee.model.parity": "Whether features of odd parity are kept as well.",
    "committee.model.n_features": "Features per irreducible representation.",
    "committee.model.n_radial_basis": "Radial basis functions.",
    "committee.model.radial_mlp_depth": "Hidden layers of the radial network.",
    "committee.model.radial_mlp_width": "Width of the radial network.",
    "committee.training.max_epochs": "Epochs of a member that starts from nothing.",
    "committee.training.warm_start_epochs": "Epochs of a member that starts from the iteration before.",
    "committee.training.batch_size": "Frames per step of the optimiser.",
    "committee.training.learning_rate": "Learning rate from nothing.",
    "committee.training.warm_start_learning_rate": "Learning rate from the iteration before.",
    "committee.training.ema_decay": "Decay of the moving average of the weights.",
    "committee.training.energy_weight": "Weight of the energy per atom in the loss.",
    "committee.training.forces_weight": "Weight of the forces in the loss.",
    "committee.training.stress_weight": "Weight of the stress in the loss.",
    "exploration.dynamics.temperature_K": "Temperature of the heat bath.",
    "exploration.dynamics.timestep_fs": "Time step.",
    "exploration.dynamics.friction_per_ps": "Friction of the Langevin thermostat.",
    "exploration.n_interface_walkers": "Runs that explore interfaces.",
    "exploration.n_amorphous_walkers": "Runs that explore amorphous cells.",
    "exploration.n_melt_quench_walkers": (
        "Runs that melt and quench random packings, as `melt_quench` says; each begins with another when it is done."
    ),
    "exploration.n_audit_walkers": "Runs on interfaces whose frames only ever test.",
    "exploration.steps_per_iteration": "Length of a segment.",
    "exploration.frame_interval_steps": "Spacing of stored frames.",
    "exploration.watch_interval_steps": "Spacing of looks by the whole committee.",
    "exploration.checkpoint_interval_steps": "Spacing of checkpoints: the most that a kill costs.",
    "exploration.runaway_temperature_factor": (
        "A run hotter than this many times its temperature, or that of its melt, is broken and ends."
    ),
    "exploration.min_distance_fraction": (
        "A run with two atoms closer than this fraction of the sum of their covalent radii is broken and ends."
    ),
    "exploration.melt_quench.electrode_fractions": (
        "Fractions of atoms that come from the electrode; packings take them in turn."
    ),
    "exploration.melt_quench.n_atoms": "Atoms per packing.",
    "exploration.melt_quench.melt_temperature_K": "Temperature of the melt.",
    "exploration.melt_quench.quench_temperature_K": "Temperature of the quench; not above that of the melt.",
    "exploration.melt_quench.melt_steps": (
        "Length of the whole melt, over as many iterations as it takes: a segment has `steps_per_iteration` at most."
    ),
    "exploration.melt_quench.quench_steps": "Length of the whole quench, likewise.",
    "exploration.melt_quench.friction_per_ps": (
        "Friction of the Langevin thermostat in both; high, because a packing sheds its heat."
    ),
    "learning.min_iterations": "The loop is not called converged before this iteration.",
    "learning.max_iterations": "Budget of iterations, after the first committee.",
    "learning.labels_per_iteration": "Uncertain and diverse frames labelled per iteration, at most.",
    "learning.audit_labels_per_iteration": "Frames of audit walkers, drawn at random, labelled per iteration.",
    "learning.max_labels": "Budget of labels: no further iteration once the data set has as many.",
    "learning.select_force_error_ev_per_angstrom": (
        "A frame whose worst force is expected to be wrong by more is a candidate for a label."
    ),
    "learning.stop_force_error_ev_per_angstrom": (
        "A frame whose worst force is expected to be wrong by more ends the segment; larger than "
        "`select_force_error_ev_per_angstrom`."
    ),
    "learning.target_force_mae_mev_per_angstrom": (
        "Converged needs a mean absolute force error on fresh audit labels at or below this."
    ),
    "learning.target_fraction_above_select": (
        "Converged needs a fraction of audit frames above the selection level at or below this."
    ),
    "learning.validation_fraction": "Share of origins that validate, per family of three origins or more.",
    "learning.test_fraction": "Share of origins that test, per family of three origins or more.",
    "production.dynamics.temperature_K": "Temperature of the heat bath.",
    "production.dynamics.timestep_fs": "Time step.",
    "production.dynamics.friction_per_ps": "Friction of the Langevin thermostat.",
    "production.n_replicas": "Runs that differ by the seed of their velocities.",
    "production.n_segments": "Segments per run.",
    "production.steps_per_segment": "Length of a segment.",
    "production.frame_interval_steps": "Spacing of stored frames.",
    "production.watch_interval_steps": "Spacing of looks by the whole committee.",
    "production.checkpoint_interval_steps": "Spacing of checkpoints: the most that a kill costs.",
    "production.equilibration_fs": "Start of a run that is left out of its mean temperature.",
    "production.audit_labels_per_replica": (
        "Frames of each replica, drawn at random and labelled afterwards, to measure the error in production."
    ),
    "thermodynamics.relax_with": (
        "What relaxes the phases of the convex hull: CHGNet, or the reference method itself, every step a label. "
        "Energies always come from the reference method."
    ),
    "thermodynamics.cell": (
        "`fixed` keeps the published cell and relaxes positions; `automatic` relaxes the cell only if the reference "
        "method itself relaxes."
    ),
    "thermodynamics.max_steps": "Most steps of a relaxation.",
    "analysis.bin_width_angstrom": "Width of a bin of the profiles along the normal.",
    "analysis.anion_centre_elements": "Elements at the centre of a molecular anion.",
    "analysis.ligand_elements": "Elements bonded to such a centre.",
    "analysis.centre_ligand_cutoff_angstrom": "Largest distance of a bond between centre and ligand.",
    "analysis.centre_centre_cutoff_angstrom": "Largest distance of a bond between two centres.",
}


def leaves(
    model: type[BaseModel], path: str = "", defaults: BaseModel | None = None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield path, default and JSON schema of every key that is not itself a block, in the schema's order."""
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        default = (
            getattr(defaults, name) if defaults is not None else field.get_default(call_default_factory=True)
        )
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{path}{name}.", default)
        elif field.discriminator:
            # one of several blocks, told apart by one of their keys
            for choice in get_args(field.annotation):
                tag = choice.model_fields[field.discriminator].default
                yield from leaves(choice, f"{path}{name} ({tag}).", choice())
        else:
            yield f"{path}{name}", "required" if field.is_required() else default, without_none(schema[name])


def without_none(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what a key holds when it is not empty."""
    return next((choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"), schema)


def type_in_words(schema: dict[str, Any]) -> str:
    """Return the type of a key for a reader who does not know JSON schema."""
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return f"list of {words[schema['items']['type']]}"
    if schema["type"] == "object":
        return f"mapping of {words[schema['additionalProperties']['type']]}"
    return words[schema["type"]]


def range_in_words(schema: dict[str, Any]) -> str:
    """Return the bounds of a key, or nothing."""
    numeric = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    parts = [
        f"{sign} {item[bound]:g}"
        for item in (schema, schema.get("items", {}))
        for bound, sign in numeric.items()
        if bound in item
    ]
    if "minItems" in schema:
        parts.append(f"at least {schema['minItems']} items")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    if "pattern" in schema:
        is_version = schema["pattern"].startswith(r"^\d")
        parts.append(
            "numbers and dots" if is_version else "letters, digits, `_`, `.`, `-`; a letter or digit first"
        )
    return ", ".join(parts)


def unit(path: str) -> str:
    """Return the unit that the name of a key ends in, or nothing."""
    key = path.rsplit(".", 1)[-1]
    if key in UNIT_OF_KEY:
        return UNIT_OF_KEY[key]
    return next((told for suffix, told in UNIT_OF_SUFFIX.items() if key.endswith(suffix)), "")


def default_in_words(default: Any) -> str:
    """Return a default as YAML would have it."""
    if default == "required":
        return "required"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return f"`[{', '.join(f'{item:g}' if isinstance(item, float) else str(item) for item in default)}]`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default not in ("", {}, None) else "empty"


def page() -> str:
    """Return the whole page."""
    rows: dict[str, list[str]] = {}
    found = list(leaves(Campaign))
    paths = {path for path, _, _ in found}
    if paths != MEANINGS.keys():
        raise SystemExit(
            f"keys without a meaning: {sorted(paths - MEANINGS.keys())}; "
            f"meanings without a key: {sorted(MEANINGS.keys() - paths)}"
        )
    for path, default, schema in found:
        block, _, key = path.rpartition(".")
        cells = [
            f"`{key}`",
            type_in_words(schema),
            unit(path),
            default_in_words(default),
            range_in_words(schema),
            MEANINGS[path],
        ]
        rows.setdefault(block, []).append(f"| {' | '.join(cells)} |")
    parts = [INTRODUCTION]
    for block, lines in rows.items():
        title = f"## `{block}`" if block else "## Top level"
        head = "| key | type | unit | default | range | meaning |\n| --- | --- | --- | --- | --- | --- |"
        parts.append("\n".join([title, "", head, *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
