"""Downloads from the Materials Project, replaced by a local server with its documented endpoint."""

import contextlib
import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from interphase_flows.commands import materials_project
from interphase_flows.commands.materials_project import fetch_crystal, materials_project_key
from interphase_flows.exceptions import InputError, SettingsError, StorageError
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from interphase_flows.structures.crystals.symmetry import pymatgen_structure
from small_disk import small_disk

KEY = "0123456789abcdef0123456789abcdef"
KNOWN, BROKEN, BUSY, HOSTILE = "mp-1153", "mp-1", "mp-2", "mp-3"
LONG, COMPRESSED, REDIRECTED, NESTED = "mp-4", "mp-5", "mp-6", "mp-7"
OBJECT = {"@module": "http.cookiejar", "@class": "CookieJar"}
"""Properties of a site from which pymatgen would make an object, or try to."""


MALFORMED = {
    "mp-10": None,
    "mp-11": {"lattice": [1], "sites": []},
    "mp-12": {
        "lattice": {"matrix": [[0, 0, 0]] * 3},
        "sites": [{"species": [{"element": "Li", "occu": 1}], "abc": [0] * 3}],
    },
    "mp-13": {"lattice": {"matrix": [[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1e300]]}, "sites": [None]},
}


class Project(BaseHTTPRequestHandler):
    """GET /materials/summary/: a key in a header, ids and fields in the query, materials under ``data``."""

    def do_GET(self) -> None:
        query = parse_qs(urlparse(self.path).query)
        wanted = query["material_ids"][0]
        if self.headers.get("x-api-key") != KEY:
            return self.answer(401, {"message": "Invalid authentication credentials"})
        if wanted in (LONG, COMPRESSED):
            return self.send_spaces(is_compressed=wanted == COMPRESSED)
        if wanted == REDIRECTED:
            self.send_response(302)
            self.send_header("Location", self.path.replace(REDIRECTED, KNOWN))
            return self.end_headers()
        if wanted == NESTED:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[" * 100_000)
            return None
        if wanted == BUSY:
            return self.answer(503, {"message": "busy"})
        data: Any = []
        if wanted in MALFORMED:
            data = [{"material_id": wanted, "structure": MALFORMED[wanted]}] if wanted != "mp-10" else {"a": 1}
        if wanted == HOSTILE:
            structure = pymatgen_structure(load_phase("Li2S")).as_dict()
            structure["sites"][0] |= {"label": "Li\n_evil 1", "properties": {"x": OBJECT}}
            data = [
                {"formula_pretty": "Li2S\ndata_evil\x1b[2J", "database_version": "1" * 10_000, "structure": structure}
            ]
        if wanted in (KNOWN, BROKEN):
            data = [{"material_id": wanted, "formula_pretty": "Li2S", "energy_above_hull": 0.0}]
            data[0]["structure"] = (
                pymatgen_structure(load_phase("Li2S")).as_dict() if wanted == KNOWN else {"sites": "none"}
            )
        return self.answer(200, {"data": data, "meta": {"total_doc": len(data)}, "errors": None})

    def send_spaces(self, is_compressed: bool) -> None:
        """Send more than the limit, as the server of a network that cannot be trusted."""
        content = b" " * (2 * materials_project.MAX_RESPONSE_BYTES)
        self.send_response(200)
        if is_compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(gzip.compress(content, 1) if is_compressed else content)

    def answer(self, status: int, body: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Project) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY)


def test_cif_contains_source_and_licence_but_no_key(endpoint: str, key: None, tmp_path: Path) -> None:
    target = tmp_path / "Li2S.cif"
    material = fetch_crystal(KNOWN, target, endpoint)
    assert material["formula_pretty"] == "Li2S"
    text = target.read_text()
    assert f"Materials Project, {KNOWN}" in text
    assert "CC BY 4.0" in text
    assert KEY not in text
    found, expected = load_structure_file(target), load_phase("Li2S")
    assert found.get_chemical_formula() == expected.get_chemical_formula()
    np.testing.assert_allclose(found.cell.cellpar(), expected.cell.cellpar(), atol=1e-6)
    difference = found.get_scaled_positions() - expected.get_scaled_positions()
    np.testing.assert_allclose(difference - np.rint(difference), 0.0, atol=1e-8)


def test_rejected_key_is_not_printed(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = "f" * 32
    monkeypatch.setenv("MP_API_KEY", wrong)
    with pytest.raises(SettingsError, match=r"rejected this key \(401\).*MP_API_KEY") as caught:
        fetch_crystal(KNOWN, tmp_path / "a.cif", endpoint)
    assert wrong not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("material_id", "message"),
    [
        ("mp-999999", "no such material"),
        (BROKEN, "no valid structure"),
        (BUSY, "status 503"),
        (REDIRECTED, "status 302"),
        (NESTED, r"no valid response.*Hint: "),
        *((name, r"more than 20,000,000 bytes for one material.*Hint: ") for name in (LONG, COMPRESSED)),
        *((name, rf"{name}: the response has no valid structure.*Hint: ") for name in MALFORMED),
    ],
)
def test_missing_material_or_invalid_response_names_the_identifier(
    endpoint: str, key: None, tmp_path: Path, material_id: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fetch_crystal(material_id, tmp_path / "a.cif", endpoint)
    assert list(tmp_path.iterdir()) == []


def test_names_and_properties_in_a_response_are_data(
    endpoint: str, key: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*arguments: object) -> None:
        raise AssertionError("an object is made from a class name of the response")

    monkeypatch.setattr("monty.json.MontyDecoder.process_decoded", decode)
    target = tmp_path / "a.cif"
    fetch_crystal(HOSTILE, target, endpoint)
    text = target.read_text()
    assert text.isascii()
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith(("data_evil", "_evil"))]
    assert len(text) < 3000
    assert load_structure_file(target).get_chemical_formula() == "Li8S4"


def test_target_that_cannot_be_written_is_an_error_before_the_request(key: None, tmp_path: Path) -> None:
    """Port 9 of this machine is closed."""
    (tmp_path / "link.cif").symlink_to(tmp_path / "missing.cif")
    with pytest.raises(InputError, match=r"link\.cif exists"):
        fetch_crystal(KNOWN, tmp_path / "link.cif", "http://127.0.0.1:9/")
    with (
        small_disk(tmp_path / "disk", "ro", "size=64k") as disk,
        pytest.raises(StorageError, match=r"disk: not written: the file system is read-only\. Hint: "),
    ):
        fetch_crystal(KNOWN, disk / "a.cif", "http://127.0.0.1:9/")


def test_network_error_hints_at_structure_files(key: None, tmp_path: Path) -> None:
    """Port 9 of this machine is closed."""
    with pytest.raises(InputError, match=r"check the network.*structure_files"):
        fetch_crystal(KNOWN, tmp_path / "a.cif", "http://127.0.0.1:9/")


def test_missing_or_malformed_key_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import pymatgen.core

    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.setattr(pymatgen.core, "SETTINGS", {})
    with pytest.raises(SettingsError, match="get one at"):
        materials_project_key()
    monkeypatch.setattr(pymatgen.core, "SETTINGS", {"PMG_MAPI_KEY": KEY})
    assert materials_project_key() == KEY
    monkeypatch.setenv("MP_API_KEY", "tooshort")
    with pytest.raises(SettingsError, match="8 characters") as caught:
        materials_project_key()
    assert "tooshort" not in str(caught.value)
    # requests would print a key that is not valid in a header
    for wrong in ("a\nb" + "c" * 29, "é" * 32, "\udcff" * 32):
        monkeypatch.setenv("MP_API_KEY", wrong)
        with pytest.raises(SettingsError, match="32 letters and digits") as caught:
            materials_project_key()
        assert "ccc" not in str(caught.value)


def test_identifier_and_file_name_are_checked_before_the_request(tmp_path: Path) -> None:
    (tmp_path / "there.cif").touch()
    for material_id, name, message in [
        ("1153", "a.cif", "identifiers look like"),
        ("mp-١٢", "a.cif", "identifiers look like"),
        ("mp-" + "9" * 1000, "a.cif", "identifiers look like"),
        (KNOWN, "POSCAR", r"ends in \.cif"),
        (KNOWN, "there.cif", "exists"),
        (KNOWN, "no/a.cif", "no such folder"),
    ]:
        with pytest.raises(InputError, match=message):
            fetch_crystal(material_id, tmp_path / name)
