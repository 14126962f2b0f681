"""Diagnose why the jobs of a check did not return: Slurm's record of their allocation, and its log."""

from pathlib import Path
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

from interphase_flows.runners.slurm import JobRecord
from interphase_flows.settings import MongodbSettings

MAX_LINE_CHARACTERS = 300


def diagnose(
    worker: str,
    job_id: str,
    record: JobRecord | None,
    waited_s: float,
    folder: Path,
    store: MongodbSettings,
) -> str:
    """Return why the jobs of a worker did not return, with a hint.

    ``record`` is Slurm's record of the allocation, ``folder`` contains its logs, and ``store`` the password, which the
    message must not repeat.
    """
    allocation = f"allocation {job_id}"
    if record is None:
        return f"{allocation} is unknown to Slurm; {log_summary(worker, folder, store)}"
    if record.is_alive:
        after = f"after {waited_s / 60:.3g} min; it is cancelled"
        if record.state == "RUNNING":
            summary = log_summary(worker, folder, store)
            return f"{allocation} runs on {record.node} but its job is not done {after}; {summary}"
        return (
            f"{allocation} is {record.state.lower()} (Slurm's reason: {record.reason}) {after}. Hint: wait longer by "
            f"--timeout-minutes, or request less in cluster.workers.{worker}"
        )
    return (
        f"{allocation} on {record.node or 'no node'} ended before its job was done ({record.state}, exit code "
        f"{record.exit_code}); {log_summary(worker, folder, store)}"
    )


def log_summary(worker: str, folder: Path, store: MongodbSettings) -> str:
    """Return the last line of an allocation's log, with a hint where to look for the reason."""
    logs = [path for suffix in ("error", "out") for path in sorted(folder.glob(f"*.{suffix}"))]
    if not logs:
        return (
            f"it left no log. Hint: check that the node sees {folder.parent.parent}; root (or cluster.folder) must be "
            "a folder that all nodes share"
        )
    hint = f"Hint: check before and environment of cluster.workers.{worker}"
    for path in logs:
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return f"last line of its log: {without_password(lines[-1], store)[:MAX_LINE_CHARACTERS]}. {hint}"
    return f"its log is empty. {hint}"


def without_password(line: str, store: MongodbSettings) -> str:
    """Mask the password in a line of a log; lines of ``before`` may print it."""
    for secret in secrets_of(store):
        line = line.replace(secret, "***")
    return line


def secrets_of(store: MongodbSettings) -> list[str]:
    """Return the password of a store in all its spellings, and the address that may contain it; longest first."""
    password = store.resolve_password()
    address = None if store.uri is None else store.uri.get_secret_value()
    passwords = [] if password is None else [password.get_secret_value()]
    if address is not None and (in_address := urlsplit(address).password):
        passwords.append(unquote_plus(in_address))
    spellings = {form for each in passwords for form in (each, quote_plus(each), quote(each, safe=""))}
    return sorted({*spellings, address or ""} - {""}, key=len, reverse=True)


def state_summary(record: JobRecord | None) -> str:
    """Return the state of an allocation with Slurm's reason."""
    if record is None:
        return "not in Slurm"
    reason = f" ({record.reason})" if record.reason not in ("", "None") else ""
    return f"{record.state.lower()}{reason}"
