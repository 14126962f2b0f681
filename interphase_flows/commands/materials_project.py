"""Download a crystal from the Materials Project to a file, with the user's own key.

Campaigns download nothing: the file is an input like any other. pymatgen's client is used rather than mp-api, which
would install pyarrow and deltalake for one request.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.printable import printable
from interphase_flows.runtime.atomic_files import check_writable, write_bytes_atomic

if TYPE_CHECKING:
    from pymatgen.core import Structure

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
MAX_HEADER_LENGTH = 200
"""Characters of a value of the response in a comment of the CIF."""


class MaterialSummary(TypedDict, total=False):
    """Summary of a material as the Materials Project returns it, without the structure."""

    material_id: str
    formula_pretty: str
    energy_above_hull: float
    theoretical: bool
    database_version: str


def materials_project_key() -> str:
    """Return the user's key from ``MP_API_KEY`` or pymatgen's ``~/.pmgrc.yaml``; it is never printed."""
    from pymatgen.core import SETTINGS

    key = os.environ.get(KEY_VARIABLE) or SETTINGS.get(KEY_VARIABLE) or SETTINGS.get("PMG_MAPI_KEY") or ""
    key = str(key).strip()
    if not key:
        raise SettingsError(
            f"no key of the Materials Project. Hint: get one at {DASHBOARD}, then export {KEY_VARIABLE}=..., or write "
            "PMG_MAPI_KEY to ~/.pmgrc.yaml"
        )
    if len(key) != KEY_LENGTH:
        raise SettingsError(
            f"{KEY_VARIABLE}: {len(key)} characters, but a key of the Materials Project has {KEY_LENGTH}. Hint: copy it "
            f"again from {DASHBOARD}"
        )
    return key


def fetch_crystal(material_id: str, target: Path, endpoint: str | None = None) -> MaterialSummary:
    """Write the relaxed structure of a material to a new CIF file with its source and licence; return its summary.

    ``endpoint`` is the URL of another server, ending with a slash.

    Raises
    ------
    InputError
        The identifier or file name is invalid, the file exists, or the server has no such material or does not respond.
    SettingsError
        The key is missing or rejected.
    StorageError
        The folder is not writable, or its disk is full.
    """
    if not re.fullmatch(r"(mp|mvc)-\d+", material_id):
        raise InputError(
            f"{material_id}: not an identifier of the Materials Project. Hint: identifiers look like mp-1153"
        )
    if target.suffix != ".cif":
        raise InputError(
            f"{target}: not a .cif file. Hint: use a name that ends in .cif, a format that can contain the source"
        )
    if os.path.lexists(target):  # also a broken link, which a rename would replace
        raise InputError(f"{target} exists. Hint: choose another name, or remove the file")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder. Hint: create it first")
    check_writable(target.parent)
    material, structure = _request(material_id, materials_project_key(), endpoint)
    write_bytes_atomic(target, _cif(material_id, material, structure).encode())
    return material


def _request(material_id: str, key: str, endpoint: str | None) -> tuple[MaterialSummary, "Structure"]:
    from pymatgen.ext.matproj import MPRester, MPRestError

    query = f"materials/summary/?material_ids={material_id}&_fields={','.join(FIELDS)}&_all_fields=False"
    with MPRester(key) as rester:
        rester.preamble = endpoint or rester.preamble
        try:
            found = rester.request(query, mp_decode=False, timeout=TIMEOUT_S)
        except MPRestError as error:
            raise _request_error(material_id, str(error).replace(key, "..."), rester.preamble) from None
    if not found:
        raise _unknown_material(material_id)
    try:
        structure = _parse_structure(found[0].pop("structure"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{material_id}: the response has no valid structure ({type(error).__name__}: {str(error)[:200]}). Hint: "
            "download the CIF in a browser and name it under structure_files"
        ) from error
    return found[0], structure


def _request_error(material_id: str, message: str, server: str) -> InputError:
    """Translate an error of pymatgen's client, whose message contains the HTTP status if there was a response."""
    status = re.search(r"status code (\d+)", message)
    if status is None:
        return InputError(
            f"{server}: no valid response ({message[:200]}). Hint: check the network (set a proxy by https_proxy), or "
            "download the CIF in a browser and name it under structure_files"
        )
    if status[1] in ("401", "403"):
        return SettingsError(
            f"the Materials Project rejected this key ({status[1]}). Hint: compare {KEY_VARIABLE} or ~/.pmgrc.yaml with "
            f"{DASHBOARD}"
        )
    if status[1] == "404":
        return _unknown_material(material_id)
    return InputError(f"{server} responded with status {status[1]}. Hint: try again later")


def _unknown_material(material_id: str) -> InputError:
    return InputError(
        f"{material_id}: no such material in the Materials Project (it may have been withdrawn). Hint: search at "
        "https://next-gen.materialsproject.org/materials"
    )


def _parse_structure(data: Any) -> "Structure":
    """Return the crystal of a response: cell, species and positions alone.

    pymatgen makes objects from class names in other properties of a site, and writes labels to a CIF unquoted.
    """
    from pymatgen.core import Structure

    sites = [{"species": site["species"], "abc": site["abc"]} for site in data["sites"]]
    structure = Structure.from_dict({"lattice": {"matrix": data["lattice"]["matrix"]}, "sites": sites})
    if not 0.0 < structure.volume < float("inf"):
        raise ValueError(f"the volume of its cell is {structure.volume:g} Å³")
    return structure


def _cif(material_id: str, material: MaterialSummary, structure: "Structure") -> str:
    from pymatgen.io.cif import CifWriter

    header = {
        "source": f"Materials Project, {material_id}, relaxed by density-functional theory",
        "formula": material.get("formula_pretty"),
        "energy above hull (eV/atom)": material.get("energy_above_hull"),
        "database version": material.get("database_version"),
        "fetched": datetime.now(UTC).date().isoformat(),
        "licence": LICENCE,
        "cite": "Jain et al., APL Mater. 1, 011002 (2013)",
    }
    head = "".join(
        f"# {name}: {printable(value)[:MAX_HEADER_LENGTH]}\n" for name, value in header.items() if value is not None
    )
    return head + str(CifWriter(structure, significant_figures=10))
