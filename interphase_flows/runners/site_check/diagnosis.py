"""Why a job of a check did not come back, in words: by Slurm's record of its allocation and what that said last."""

from pathlib import Path
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

from interphase_flows.runners.slurm.commands import JobRecord
from interphase_flows.settings import MongodbSettings

LONGEST_WORDS = 300


def why_not(
    worker: str,
    job_id: str,
    record: JobRecord | None,
    waited_s: float,
    folder: Path,
    store: MongodbSettings,
) -> str:
    """Return why the jobs of a worker did not come back, and the mend.

    Parameters
    ----------
    worker, job_id
        The worker and its allocation.
    record
        What Slurm remembers of the allocation.
    waited_s
        How long an allocation was waited for that is alive.
    folder
        Where it has its logs.
    store
        Whose password must not be repeated.
    """
    allocation = f"allocation {job_id}"
    if record is None:
        return f"{allocation} is gone from Slurm; {last_words(worker, folder, store)}"
    if record.is_alive:
        after = f"after {waited_s / 60:.3g} min; it is cancelled"
        if record.state == "RUNNING":
            words = last_words(worker, folder, store)
            return f"{allocation} runs on {record.node} but its job is not done {after}; {words}"
        return (
            f"{allocation} is {record.state.lower()} (Slurm's reason: {record.reason}) {after}. Wait longer by "
            f"--timeout-minutes, or ask for less in cluster.workers.{worker}"
        )
    return (
        f"{allocation} on {record.node or 'no node'} ended before its job was done ({record.state}, exit code "
        f"{record.exit_code}); {last_words(worker, folder, store)}"
    )


def last_words(worker: str, folder: Path, store: MongodbSettings) -> str:
    """Return what an allocation said last, and where to look for the reason."""
    logs = [path for suffix in ("error", "out") for path in sorted(folder.glob(f"*.{suffix}"))]
    if not logs:
        return (
            f"it left no log: does the node see {folder.parent.parent}? root (or cluster.folder) must be a folder "
            "of all nodes"
        )
    mend = f"see before and environment of cluster.workers.{worker}"
    for path in logs:
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return f"its last words: {without_password(lines[-1], store)[:LONGEST_WORDS]}; {mend}"
    return f"it said nothing; {mend}"


def without_password(line: str, store: MongodbSettings) -> str:
    """Return a line of a log, which lines of ``before`` may write, too."""
    for secret in secrets_of(store):
        line = line.replace(secret, "***")
    return line


def secrets_of(store: MongodbSettings) -> list[str]:
    """Return the password of a store in all its forms, and the address that may hold it; the longest first."""
    password = store.resolve_password()
    address = None if store.uri is None else store.uri.get_secret_value()
    plain = [] if password is None else [password.get_secret_value()]
    if address is not None and (of_address := urlsplit(address).password):
        plain.append(unquote_plus(of_address))
    forms = {form for each in plain for form in (each, quote_plus(each), quote(each, safe=""))}
    return sorted({*forms, address or ""} - {""}, key=len, reverse=True)


def told_state(record: JobRecord | None) -> str:
    """Return where an allocation stands, in a word or two."""
    if record is None:
        return "not there"
    reason = f" ({record.reason})" if record.reason not in ("", "None") else ""
    return f"{record.state.lower()}{reason}"
