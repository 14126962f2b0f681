"""Metadata of a dataset for the ColabFit Exchange (https://materials.colabfit.org).

The fields are those of ColabFit's request for datasets and of the property map of ``colabfit-tools``. The three
properties have definitions of ColabFit, which are cited by their identifiers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, JsonValue

from interphase_flows.datasets.label_keys import LabelKeys
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.origin import (
    ATOM,
    AUDIT,
    CRYSTAL,
    CUTOUT,
    DIMER,
    EXPLORATION,
    INTERFACE,
    PRODUCTION,
    THERMODYNAMICS,
)

_ENERGY, _FORCES, _STRESS = "energy-conjugate-with-atomic-forces", "atomic-forces", "cauchy-stress"
DEFINITIONS = {
    _ENERGY: f"tag:staff@noreply.colabfit.org,2024-06-01:property/{_ENERGY}",
    _FORCES: f"tag:staff@noreply.colabfit.org,2022-05-30:property/{_FORCES}",
    _STRESS: f"tag:staff@noreply.colabfit.org,2022-05-30:property/{_STRESS}",
}
"""ColabFit's identifiers of property definitions."""
_FAMILIES = {
    CRYSTAL: "crystals: perfect, at several volumes, strained and rattled",
    INTERFACE: "interfaces of electrode and electrolyte from short dynamics with the reference method",
    EXPLORATION: "frames of dynamics with the potentials, selected by uncertainty",
    AUDIT: "frames of dynamics with the potentials, drawn at random for the test set",
    PRODUCTION: "frames of production runs",
    CUTOUT: "periodic cells cut out of production runs around uncertain atoms",
    THERMODYNAMICS: "relaxed crystals of the convex hull",
    DIMER: "two atoms in an empty box",
    ATOM: "isolated atoms",
}
CONVENTIONS = {
    "energy": "eV per structure, the energy whose negative gradient is the force",
    "forces": "eV/Å",
    "stress": "eV/Å³, tension positive, dE/dε divided by the volume (as ASE; VASP prints the opposite sign)",
}


@dataclass(frozen=True)
class Publication:
    """What only the authors of a dataset know; all of it may be filled in later.

    ``authors`` are full names; ``links`` are addresses of the publication and of the data; ``name`` and ``description``
    are those of the campaign if empty.
    """

    authors: Sequence[str] = ()
    name: str = ""
    description: str = ""
    license: str = ""
    links: Sequence[str] = field(default_factory=tuple)


class ConfigurationSet(BaseModel):
    """Configurations whose ``origin`` matches a regular expression."""

    regex: str
    description: str


class ColabFitRecord(BaseModel):
    """Name, authors, level of theory, properties with their keys and units, and sets of configurations of a dataset."""

    name: str
    authors: list[str]
    links: list[str]
    description: str
    license: str
    files: list[str]
    method: str
    software: str
    calculation: dict[str, JsonValue]
    elements: list[str]
    n_configurations: int
    configuration_name: str = "label_key"
    configuration_labels: list[str] = ["origin", "split"]
    configuration_sets: list[ConfigurationSet]
    property_map: dict[str, list[dict[str, dict[str, JsonValue]]]]
    property_definitions: dict[str, str]
    conventions: dict[str, str] = CONVENTIONS


def colabfit_record(
    dataset: DatasetDoc, file_name: str, keys: LabelKeys, about: Publication, has_stress: bool = True
) -> ColabFitRecord:
    """Return the metadata of a dataset that was written to a file with the given keys.

    ``has_stress`` is whether any configuration has a stress.
    """
    method = dataset.method
    functional = method.settings.get("functional")
    theory = f"DFT-{functional}" if functional else method.name
    software = f"{method.code} {method.version}"
    calculation: dict[str, JsonValue] = {**method.settings, "is_surrogate": method.is_surrogate}
    metadata: dict[str, JsonValue] = {
        "software": {"value": software},
        "method": {"value": theory},
        "input": {"value": calculation},
    }

    def mapped(key: str, units: str) -> dict[str, JsonValue]:
        return {"field": key, "units": units}

    def constant(value: bool) -> dict[str, JsonValue]:
        return {"value": value, "units": None}

    properties = {
        _ENERGY: {"energy": mapped(keys.energy, "eV"), "per-atom": constant(False)},
        _FORCES: {"forces": mapped(keys.forces, "eV/angstrom")},
    }
    if has_stress:
        # "volume-normalized" is true of a stress that was multiplied by the volume
        properties[_STRESS] = {"stress": mapped(keys.stress, "eV/angstrom^3"), "volume-normalized": constant(False)}
    families = sorted({origin.family for origin in dataset.split_of_origin})
    return ColabFitRecord(
        name=about.name,
        authors=list(about.authors),
        links=list(about.links),
        description=about.description,
        license=about.license,
        files=[file_name],
        method=theory,
        software=software,
        calculation=calculation,
        elements=sorted(dataset.baseline.elements),
        n_configurations=sum(dataset.n_frames.values()),
        configuration_sets=[
            ConfigurationSet(regex=f"^{re.escape(family)}/", description=_FAMILIES.get(family, family))
            for family in families
        ],
        property_map={name: [{**values, "_metadata": metadata}] for name, values in properties.items()},
        property_definitions={name: DEFINITIONS[name] for name in properties},
    )
