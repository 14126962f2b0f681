"""Fetch a crystal from the Materials Project into a file, with the user's own key.

Nothing is fetched while a campaign runs: the file is a campaign's input like any other.  pymatgen's own client is
used rather than mp-api, which would install pyarrow and deltalake for one request.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runtime.atomic_files import write_bytes_atomic

KEY_VARIABLE = "MP_API_KEY"
KEY_LENGTH = 32
DASHBOARD = "https://materialsproject.org/dashboard"
FIELDS = (
    "material_id",
    "formula_pretty",
    "structure",
    "energy_above_hull",
    "theoretical",
    "database_version",
)
LICENCE = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
TIMEOUT_S = 60


def materials_project_key() -> str:
    """Return the user's key, from ``MP_API_KEY`` or from pymatgen's ``~/.pmgrc.yaml``; it is never printed.

    Raises
    ------
    SettingsError
        There is none, or it has not the length of a key.
    """
    from pymatgen.core import SETTINGS

    key = os.environ.get(KEY_VARIABLE) or SETTINGS.get(KEY_VARIABLE) or SETTINGS.get("PMG_MAPI_KEY") or ""
    key = str(key).strip()
    if not key:
        raise SettingsError(
            f"the Materials Project asks for a key of your own: get one at {DASHBOARD}, then "
            f"export {KEY_VARIABLE}=..., or write PMG_MAPI_KEY to ~/.pmgrc.yaml"
        )
    if len(key) != KEY_LENGTH:
        raise SettingsError(
            f"{KEY_VARIABLE}: {len(key)} characters, but a key of the Materials Project has {KEY_LENGTH}; copy it "
            f"again from {DASHBOARD}"
        )
    return key


def fetch_crystal(material_id: str, target: Path, endpoint: str | None = None) -> dict[str, Any]:
    """Write the relaxed structure of a material to a CIF that says where it comes from.

    Parameters
    ----------
    material_id
        Such as ``mp-1153``.
    target
        File to write; its name must end in ``.cif``, and it must not be there.
    endpoint
        Of another server, with a slash at its end; by default that of the Materials Project.

    Returns
    -------
    dict
        What the project says of the material, without the structure.

    Raises
    ------
    InputError
        The id or the file name is wrong, the file is there, there is no such material, or no answer.
    SettingsError
        The key is missing or refused.
    """
    if not re.fullmatch(r"(mp|mvc)-\d+", material_id):
        raise InputError(f"{material_id}: not an id of the Materials Project; ids look like mp-1153")
    if target.suffix != ".cif":
        raise InputError(
            f"{target}: give a name that ends in .cif, which can say where the structure is from"
        )
    if target.exists():
        raise InputError(f"{target}: is there already; choose another name, or remove it")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder; make it first")
    material = _ask(material_id, materials_project_key(), endpoint)
    structure = _structure(material_id, material.pop("structure", None))
    write_bytes_atomic(target, _cif(material_id, material, structure).encode())
    return material


def _ask(material_id: str, key: str, endpoint: str | None) -> dict[str, Any]:
    from pymatgen.ext.matproj import MPRester, MPRestError

    query = f"materials/summary/?material_ids={material_id}&_fields={','.join(FIELDS)}&_all_fields=False"
    with MPRester(key) as rester:
        rester.preamble = endpoint or rester.preamble
        try:
            # the answer is data: nothing in it is turned into objects by the names of their classes
            answers = rester.request(query, mp_decode=False, timeout=TIMEOUT_S)
        except MPRestError as error:
            raise _refusal(material_id, str(error).replace(key, "..."), rester.preamble) from None
    if not answers:
        raise _no_such(material_id)
    material: dict[str, Any] = answers[0]
    return material


def _refusal(material_id: str, told: str, server: str) -> InputError:
    """What an error of pymatgen's client means; it tells the status, if there was one, in words."""
    status = re.search(r"status code (\d+)", told)
    if status is None:
        return InputError(
            f"{server} gave no answer that can be read ({told[:200]}); check the network (a proxy is set by "
            "https_proxy), or download the CIF in a browser and name it under structure_files"
        )
    if status[1] in ("401", "403"):
        return SettingsError(
            f"the Materials Project refuses this key ({status[1]}); check {KEY_VARIABLE} or ~/.pmgrc.yaml against "
            f"{DASHBOARD}"
        )
    if status[1] == "404":
        return _no_such(material_id)
    return InputError(f"{server} answered with status {status[1]}; try again later")


def _no_such(material_id: str) -> InputError:
    return InputError(
        f"{material_id}: the Materials Project has no such material (or has withdrawn it); look it up at "
        "https://next-gen.materialsproject.org/materials"
    )


def _structure(material_id: str, found: Any) -> Any:
    from pymatgen.core import Structure

    try:
        return Structure.from_dict(found)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{material_id}: the answer has no structure that can be read ({type(error).__name__}: {error})"
        ) from error


def _cif(material_id: str, material: dict[str, Any], structure: Any) -> str:
    from pymatgen.io.cif import CifWriter

    told = {
        "source": f"Materials Project, {material_id}, relaxed by density-functional theory",
        "formula": material.get("formula_pretty"),
        "energy above hull (eV/atom)": material.get("energy_above_hull"),
        "database version": material.get("database_version"),
        "fetched": datetime.now(UTC).date().isoformat(),
        "licence": LICENCE,
        "cite": "Jain et al., APL Mater. 1, 011002 (2013)",
    }
    head = "".join(f"# {name}: {value}\n" for name, value in told.items() if value is not None)
    return head + str(CifWriter(structure, significant_figures=10))
