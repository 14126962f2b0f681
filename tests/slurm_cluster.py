"""A private Slurm on this machine: munge, one controller and a few nodes on 127.0.0.1, without systemd and cgroups.

Debian's slurm-wlm, started as root from a separate folder on free ports, and stopped by process id. There is no
accounting database; the completion log records the end of jobs.
"""

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 20.0
COMMANDS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")
REAL_MEMORY_PER_CPU_MB = 4000
MUNGE_FOLDERS = ("/etc/munge", "/var/log/munge", "/var/lib/munge")

CONFIGURATION = """
ClusterName=interphase
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=cred_expire=15
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=2000
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=100000,batch_sched_delay=1,defer
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
KillWait=3
UnkillableStepTimeout=10
MessageTimeout=10
MinJobAge=300
JobRequeue=1
GroupUpdateForce=0
"""


def why_not() -> str | None:
    """Return why Slurm cannot be started here, or None."""
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        return f"no {missing[0]}: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "a private Slurm requires root"
    return None


class SlurmCluster:
    """A Slurm controller and nodes in a folder; a context manager.

    Parameters
    ----------
    folder
        Configuration, state and logs.
    n_nodes, cpus_per_node, has_gpus
        Nodes are only names: all jobs run on this machine. With ``has_gpus`` each has a GPU that no program can use.
    partitions
        Names of partitions with all nodes each; the first is the default.
    """

    def __init__(
        self,
        folder: Path,
        n_nodes: int = 2,
        cpus_per_node: int = 2,
        has_gpus: bool = False,
        partitions: Sequence[str] = ("debug",),
    ):
        self.folder = folder
        self.nodes = [f"n{index + 1}" for index in range(n_nodes)]
        self.cpus_per_node = cpus_per_node
        self.has_gpus = has_gpus
        self.partitions = partitions
        # batch scripts start a login shell, which must not run a user's profile: when killed it might leave locks behind
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf"), "HOME": str(folder / "home")}
        self.environment = os.environ | self.variables

    def start(self) -> None:
        """Start Slurm, and return when all nodes are idle.

        Raises
        ------
        RuntimeError
            The nodes are not idle within a minute; the message contains the end of the controller's log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("home", "state", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        ports = free_ports(1 + len(self.nodes))
        text = CONFIGURATION.format(host=socket.gethostname().split(".")[0], port=ports[0], folder=self.folder)
        gpus = ""
        if self.has_gpus:
            gpus = "Gres=gpu:1 "
            text += "GresTypes=gpu\n"
            (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        for node, port in zip(self.nodes, ports[1:], strict=True):
            text += (
                f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus_per_node} "
                f"{gpus}RealMemory={REAL_MEMORY_PER_CPU_MB * self.cpus_per_node} State=UNKNOWN\n"
            )
        for index, name in enumerate(self.partitions):
            is_default = "NO" if index else "YES"
            nodes = ",".join(self.nodes)
            text += f"PartitionName={name} Nodes={nodes} Default={is_default} MaxTime=INFINITE State=UP\n"
        (self.folder / "slurm.conf").write_text(text)
        _start_munge()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait_until(lambda: len(self.idle_nodes()) == len(self.nodes), READY_WITHIN_S, "nodes are not idle")

    def start_controller(self) -> None:
        self._run(["slurmctld", "-i"])

    def start_node(self, node: str, blind_to: Path | None = None) -> None:
        """Start a node; for it and its jobs ``blind_to`` is an empty folder, as if nothing were mounted there."""
        command = ["slurmd", "-N", node]
        if blind_to is not None:
            hidden = f"mount -t tmpfs none {shlex.quote(str(blind_to))} && exec {shlex.join(command)}"
            command = ["unshare", "--mount", "sh", "-c", hidden]
        self._run(command)

    def idle_nodes(self) -> list[str]:
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        return sorted(set(done.stdout.split()))  # listed once per partition

    def completed(self) -> list[dict[str, str]]:
        """Return Slurm's records of jobs that ended: JobId, Name, JobState, ..."""
        path = self.folder / "jobcomp.txt"
        if not path.exists():
            return []
        return [
            dict(part.split("=", 1) for part in line.split() if "=" in part) for line in path.read_text().splitlines()
        ]

    def wait_until(self, condition, within_s: float, message: str) -> None:
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                log = self.folder / "slurmctld.log"
                tail = log.read_text()[-2000:] if log.exists() else "no log"
                raise RuntimeError(f"Slurm: {message} after {within_s:.0f} s:\n{tail}")
            time.sleep(0.2)

    def pid_of(self, daemon: str) -> int | None:
        with suppress(OSError, ValueError):
            return int((self.folder / f"{daemon}.pid").read_text())
        return None

    def end(self, daemon: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop ``slurmctld`` or ``slurmd.NODE`` by its process id."""
        pid = self.pid_of(daemon)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, how)
            for _ in range(int(ENDS_WITHIN_S / 0.1)):
                os.kill(pid, 0)
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def __enter__(self) -> "SlurmCluster":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            subprocess.run(["scancel", "--me"], env=self.environment, check=False, capture_output=True, timeout=30)
        for node in self.nodes:
            self.end(f"slurmd.{node}")
        self.end("slurmctld")


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock of the machine, so that only one of several test processes starts munge."""
    with open("/tmp/interphase-munge.lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _start_munge() -> None:
    """Start munge if it does not respond; it keeps running, since other processes may use it."""
    with _alone():
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
            return
        for folder, mode in [("/run/munge", "0755"), *((name, "0700") for name in MUNGE_FOLDERS)]:
            subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", mode, folder], check=True)
        key = Path("/etc/munge/munge.key")
        if not key.exists() or not key.stat().st_size:
            key.write_bytes(os.urandom(1024))
            shutil.chown(key, "munge", "munge")
            key.chmod(0o400)
        for stale in Path("/run/munge").glob("munge.socket.2*"):
            stale.unlink()
        subprocess.run(["runuser", "-u", "munge", "--", shutil.which("munged") or "munged"], check=True)
        end = time.monotonic() + READY_WITHIN_S
        while subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            if time.monotonic() > end:
                raise RuntimeError("munge does not respond")
            time.sleep(0.1)
