"""SecantusDB, a server with MongoDB's wire protocol, in a separate process.

mongod is not available from PyPI; SecantusDB (the protocol over WiredTiger, GPL: a test tool) is. Its version 0.7.0b3
returns a stale document from a findAndModify that returns the document *before* the change, if others write
concurrently. Run as a script, this file starts it with serialised writes, which is equivalent to MongoDB's locks on one
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
# if set, tests use this server instead
URI_VARIABLE = "MONGODB_URI"
MISSING = f"no SecantusDB and no {URI_VARIABLE}: pip install 'SecantusDB==0.7.0b3', or set the address of a server"


def is_installed() -> bool:
    """Whether SecantusDB is installed."""
    return importlib.util.find_spec("secantus") is not None


class MongoServer:
    """SecantusDB on a free port of this machine; a context manager.

    Parameters
    ----------
    folder
        Data folder; a server that is restarted in the same folder keeps its data.
    with_auth
        Require authentication.
    port
        Port to listen on; a free one if None.
    certificate
        PEM files of a certificate and its key; the server then accepts TLS only.
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
        """Address of the server."""
        tls = f"/?tls=true&tlsCAFile={self.certificate[0]}" if self.certificate else ""
        return f"mongodb://localhost:{self.port}{tls}"

    @property
    def log(self) -> Path:
        """Log file of the server."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def start(self) -> None:
        """Start the server, and return when it responds.

        Raises
        ------
        RuntimeError
            The server ends or does not respond within a minute; the message contains the end of its log.
        """
        # the flag must not change: a standalone folder cannot be opened as a replica set, or vice versa
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
        while not self._responds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"SecantusDB does not respond at {self.uri}: {self.log.read_text()[-2000:]}")

    def _responds(self) -> bool:
        client: MongoClient[Any] = MongoClient(self.uri, serverSelectionTimeoutMS=PING_TIMEOUT_MS)
        try:
            client.admin.command("ping")
        except OperationFailure:  # it requires a password, so it responds
            return True
        except PyMongoError:
            return False
        finally:
            client.close()
        return True

    def require_password(self, user: str, password: str) -> None:
        """Create a user with all privileges, and restart the server with authentication."""
        client: MongoClient[Any] = MongoClient(self.uri)
        client.admin.command("createUser", user, pwd=password, roles=[{"role": "root", "db": "admin"}])
        client.close()
        self.stop()
        self.with_auth = True
        self.start()

    def stop(self) -> None:
        """Stop the server with SIGTERM."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server with SIGKILL, as a power failure would."""
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


def serialised(handler: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    """Return a command handler that holds a lock, so that writes are serialised.

    Commands inside a user's transaction do not take the lock, since that could deadlock.
    """

    @functools.wraps(handler)
    def handle(document: dict[str, Any], context: Any) -> Any:
        if document.get("txnNumber") is not None and document.get("autocommit") is False:
            return handler(document, context)
        with lock:
            return handler(document, context)

    return handle


def main() -> None:
    """Run SecantusDB with serialised writes; the arguments are those of its command line."""
    from secantus import cli, commands

    lock = threading.RLock()
    for name in WRITES:
        commands._HANDLERS[name] = serialised(commands._HANDLERS[name], lock)
    cli.main()


if __name__ == "__main__":
    main()
