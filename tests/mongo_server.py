"""A server that speaks MongoDB's protocol, in a process of its own.

No mongod can be installed from PyPI; SecantusDB (the protocol over WiredTiger, GPL: a test tool) can. Its 0.7.0b3
answers a findAndModify that returns the document *before* with a stale one when others write meanwhile. Run as a
script, this file starts it with its writes one after another, which is what MongoDB's locks amount to for one
document::

    python tests/mongo_server.py --port 27017 --storage-path FOLDER --standalone
"""

import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

WRITES = ("findAndModify", "findandmodify", "insert", "update", "delete")
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
PING_TIMEOUT_MS = 200
# the server that tests use instead, if it is set
URI_VARIABLE = "MONGODB_URI"
MISSING = f"no SecantusDB and no {URI_VARIABLE}: pip install 'SecantusDB==0.7.0b3', or name a server"


def is_installed() -> bool:
    """Whether SecantusDB can be started here."""
    return importlib.util.find_spec("secantus") is not None


class MongoServer:
    """SecantusDB on a free port of this machine; a context manager.

    Parameters
    ----------
    folder
        Where its data are; a server started again in the same folder has them still.
    with_auth
        Ask for a user and a password.
    port
        Port to listen on; a free one if None.
    certificate
        PEM files of a certificate and its key: it then speaks TLS only.
    """

    def __init__(
        self,
        folder: Path,
        with_auth: bool = False,
        port: int | None = None,
        certificate: tuple[Path, Path] | None = None,
    ):
        self.folder = folder
        self.with_auth = with_auth
        self.port = port or _free_port()
        self.certificate = certificate
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        tls = f"/?tls=true&tlsCAFile={self.certificate[0]}" if self.certificate else ""
        return f"mongodb://localhost:{self.port}{tls}"

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def start(self) -> None:
        """Start it, and return when it answers.

        Raises
        ------
        RuntimeError
            If it ends or does not answer within a minute; with its last words.
        """
        # a standalone folder opened as a replica set, or the other way round, is another server: always the same flag
        command = [sys.executable, __file__, "--host", "127.0.0.1", "--port", str(self.port), "--standalone"]
        command += [
            "--storage-path",
            str(self.folder),
            "--cache-size",
            "128M",
            "--log-level",
            "WARNING",
            "--sync-on-commit",
        ]
        command += ["--auth"] if self.with_auth else []
        if self.certificate is not None:
            command += [
                "--tls-cert-file",
                str(self.certificate[0]),
                "--tls-key-file",
                str(self.certificate[1]),
            ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(
                    f"SecantusDB does not answer at {self.uri}: {self.log.read_text()[-2000:]}"
                )

    def _answers(self) -> bool:
        client: MongoClient[Any] = MongoClient(self.uri, serverSelectionTimeoutMS=PING_TIMEOUT_MS)
        try:
            client.admin.command("ping")
        except OperationFailure:  # it wants a password: it is there
            return True
        except PyMongoError:
            return False
        finally:
            client.close()
        return True

    def ask_for_password(self, user: str, password: str) -> None:
        """Make a user who may do everything, and start again as a server that lets in nobody else."""
        client: MongoClient[Any] = MongoClient(self.uri)
        client.admin.command("createUser", user, pwd=password, roles=[{"role": "root", "db": "admin"}])
        client.close()
        self.stop()
        self.with_auth = True
        self.start()

    def stop(self) -> None:
        """End it by its process id, in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by its process id, as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
        try:
            self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self) -> "MongoServer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_after_another(handler: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    """Return a handler of a command that lets no other write happen meanwhile.

    Inside a user's transaction it passes through: a transaction that waits for the lock while another holds it
    and waits for the transaction would wait for ever.
    """

    @functools.wraps(handler)
    def serialised(document: dict[str, Any], context: Any) -> Any:
        if document.get("txnNumber") is not None and document.get("autocommit") is False:
            return handler(document, context)
        with lock:
            return handler(document, context)

    return serialised


def main() -> None:
    """Run SecantusDB with its writes one after another; arguments as for its own command."""
    from secantus import cli, commands

    lock = threading.RLock()
    for name in WRITES:
        commands._HANDLERS[name] = one_after_another(commands._HANDLERS[name], lock)
    cli.main()


if __name__ == "__main__":
    main()
