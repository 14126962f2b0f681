"""Connection options reach every client: a server that accepts only TLS, with a self-signed certificate."""

import datetime
import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from interphase_flows.exceptions import SettingsError, StorageError
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage import mongodb
from interphase_flows.storage.ledger import Ledger
from mongo_server import MongoServer, is_installed

pytestmark = pytest.mark.cluster

PASSWORD = "tls:planted/5"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    if not is_installed():
        pytest.skip("SecantusDB is not installed: pip install 'SecantusDB==0.7.0b3'")
    folder = tmp_path_factory.mktemp("tls")
    with MongoServer(folder / "data", certificate=make_certificate(folder)) as server:
        server.require_password("alice", PASSWORD)
        yield server


@pytest.fixture
def store(server: MongoServer, tmp_path: Path) -> MongodbSettings:
    """Settings with the password in a file of mode 600 and the certificate as an option."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    return MongodbSettings(
        type="mongodb",
        port=server.port,
        username="alice",
        password_file=secret,
        auth_source="admin",
        tls=True,
        options={"tlsCAFile": str(server.certificate[0]), "authMechanism": "SCRAM-SHA-256"},
    )


def test_ledger_and_launchpad_connect_with_tls(store: MongodbSettings) -> None:
    ledger = Ledger.in_mongodb(store)
    ledger.put("labels", "a", {"energy_eV": -1.0})
    assert [found["key"] for found in ledger.find("labels", {"energy_eV": {"$lt": 0}})] == ["a"]
    ledger.close()
    opened = open_launchpad(Settings(store=store))
    assert opened.get_fw_ids() == []
    opened.connection.close()


@pytest.mark.parametrize("options", [{}, {"tlsCAFile": os.devnull}])
def test_unknown_certificate_raises_without_the_password(
    store: MongodbSettings, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no fallback to a connection without TLS."""
    monkeypatch.setattr(mongodb, "SERVER_SELECTION_TIMEOUT_MS", 300)
    # this process has reached the server before, so it would retry
    other = store.model_copy(update={"options": options, "reconnect_timeout_s": 0.0})
    ledger = Ledger.in_mongodb(other)
    for operation in (lambda: ledger.get("labels", "a"), lambda: open_launchpad(Settings(store=other))):
        with pytest.raises((StorageError, SettingsError)) as caught:
            operation()
        assert PASSWORD not in str(caught.value)


def test_unknown_option_raises_with_its_settings_key(store: MongodbSettings) -> None:
    ledger = Ledger.in_mongodb(store.model_copy(update={"options": {"tlsCAFil": "x"}}))
    with pytest.raises(SettingsError, match=r"store: not an address of a MongoDB.*store\.options"):
        ledger.get("labels", "a")


@pytest.mark.parametrize("name", ["tlsCertificateKeyFilePassword", "password", "authMechanismProperties"])
def test_secret_option_is_rejected(name: str) -> None:
    """Options appear in representations of the settings."""
    with pytest.raises(ValueError, match=r"may contain a secret\. Hint: write it into store\.uri") as caught:
        MongodbSettings(type="mongodb", options={name: PASSWORD})
    assert PASSWORD not in str(caught.value)
