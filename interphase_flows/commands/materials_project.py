"""Download a crystal from the Materials Project to a file, with the user's own key.

Campaigns download nothing: the file is an input like any other. One request needs no client: mp-api would install pyarrow
and deltalake, and pymatgen's client reads responses of any size, page after page.
"""

import json
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
SERVER = "https://api.materialsproject.org/"
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
MAX_RESPONSE_BYTES = 20_000_000
"""Of one material; a structure of 1,000 sites has about 0.5 MB."""
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
    if not re.fullmatch(rf"[A-Za-z0-9]{{{KEY_LENGTH}}}", key):
        raise SettingsError(
            f"{KEY_VARIABLE}: {len(key)} characters, but a key of the Materials Project has {KEY_LENGTH} letters and "
            f"digits. Hint: copy it again from {DASHBOARD}"
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
    if not re.fullmatch(r"(mp|mvc)-[0-9]{1,12}", material_id):
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
    from pymatgen.core import SETTINGS

    server = endpoint or str(SETTINGS.get("PMG_MAPI_ENDPOINT") or SERVER)
    try:
        found = json.loads(_response(material_id, key, server))["data"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _no_valid_response(server, f"{type(error).__name__}: {error}") from error
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


def _response(material_id: str, key: str, server: str) -> bytes:
    """Return the body of a response; a redirection is not followed, because it would send the key to another server."""
    import requests

    query = {"material_ids": material_id, "_fields": ",".join(FIELDS), "_all_fields": "False"}
    try:
        with requests.get(
            f"{server}materials/summary/",
            params=query,
            headers={"x-api-key": key},
            timeout=TIMEOUT_S,
            stream=True,
            allow_redirects=False,
        ) as response:
            if response.status_code != 200:
                raise _status_error(material_id, response.status_code, server)
            body = bytearray()
            for block in response.iter_content(1 << 16):  # unpacked, if it is compressed
                body += block
                if len(body) > MAX_RESPONSE_BYTES:
                    raise _no_valid_response(server, f"more than {MAX_RESPONSE_BYTES:,} bytes for one material")
            return bytes(body)
    except (requests.RequestException, OSError) as error:
        raise _no_valid_response(server, str(error).replace(key, "...")) from None


def _no_valid_response(server: str, reason: str) -> InputError:
    return InputError(
        f"{server}: no valid response ({printable(reason)[:200]}). Hint: check the network (set a proxy by https_proxy), "
        "or download the CIF in a browser and name it under structure_files"
    )


def _status_error(material_id: str, status: int, server: str) -> InputError:
    if status in (401, 403):
        return SettingsError(
            f"the Materials Project rejected this key ({status}). Hint: compare {KEY_VARIABLE} or ~/.pmgrc.yaml with "
            f"{DASHBOARD}"
        )
    if status == 404:
        return _unknown_material(material_id)
    return InputError(f"{server} responded with status {status}. Hint: try again later")


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
