"""moto, a server with the S3 protocol, in a separate process."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 10.0
MISSING = "no moto or s3fs: pip install '.[s3,dev]'"
KEY, SECRET = "planted-key-id", "planted/secret+access/key"
MODULE = "moto.server"


def is_installed() -> bool:
    """Whether the server and a client are installed."""
    return all(importlib.util.find_spec(name) for name in ("moto", "s3fs", "flask_cors"))


class S3Server:
    """S3 buckets in the memory of a process; a context manager.

    Parameters
    ----------
    log
        Log file.
    """

    def __init__(self, log: Path):
        self.log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables by which S3 clients find the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __enter__(self) -> "S3Server":
        command = [sys.executable, "-m", MODULE, "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._responds():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"moto does not respond: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def _responds(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
