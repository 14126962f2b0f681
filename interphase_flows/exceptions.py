"""Exceptions of the package, and their tree.

::

    InterphaseError
    ├── InputError                      the input is invalid; nothing was started
    │   ├── CampaignFileError           unknown key, wrong type, value out of range; with its line
    │   ├── StructureError              a structure is missing, empty, or has no cell
    │   │   └── OverlappingAtomsError   two atoms are closer than any chemical bond
    │   └── SettingsError               settings of this machine
    │       └── SlurmNotFoundError      this machine has no Slurm
    ├── CampaignFailedError             required jobs failed, so the campaign has no result
    ├── MissingInputError               an input of a job is missing because an earlier job failed
    ├── ReferenceMethodError            a label could not be computed
    ├── WalltimeReachedError            the walltime is reached; a resume continues from the checkpoint
    ├── WorkerDiedError                 worker processes ended unexpectedly while they ran a job
    ├── LeaseLostError                  another process took over the lease of the work
    ├── TrainingError                   a potential could not be trained
    ├── CompilationError                a potential could not be compiled, or the compiled graph does not fit it
    ├── SpeedError                      the speed of this machine could not be measured
    ├── DynamicsError                   a segment of molecular dynamics cannot start or continue
    ├── StorageError                    stored data cannot be read or written
    │   ├── StorageUnavailableError     temporary: the same operation may succeed later
    │   │   ├── ServerUnavailableError  the database server does not respond
    │   │   └── DiskFullError           a disk is full, or a quota is used up
    │   ├── LockedError                 another process holds a campaign, a folder or a file
    │   ├── CorruptArtifactError        a file is missing, or its hash differs from the recorded one
    │   ├── CorruptStoreError           the document store is damaged
    │   └── DocumentTooLargeError       a document is over 1 MB
    └── AnalysisError                   a trajectory does not support the requested analysis
        ├── SlabWidthError              slabs of these widths do not resolve the boundaries of an interphase
        └── UnsupportedWindowError      a time window is too short, or not diffusive

A message states what is wrong and where (file, key, value), and gives a hint.
"""

from collections.abc import Sequence
from pathlib import Path


class InterphaseError(Exception):
    """Base class of all exceptions of the package."""


class InputError(InterphaseError):
    """The input is invalid; nothing was started."""


class CampaignFileError(InputError):
    """A campaign file has an unknown key, a wrong type or a value out of range."""


class StructureError(InputError):
    """A structure is missing, empty, or has no cell."""


class OverlappingAtomsError(StructureError):
    """Two atoms are closer than any chemical bond."""


class SettingsError(InputError):
    """The settings of this machine are wrong or incomplete."""


class SlurmNotFoundError(SettingsError):
    """A command of Slurm does not exist on this machine."""


class CampaignFailedError(InterphaseError):
    """Required jobs failed, so the campaign has no result; its results so far are stored, and a resume continues."""


class MissingInputError(InterphaseError):
    """An input of a job is missing because an earlier job failed; the job was not run."""


class ReferenceMethodError(InterphaseError):
    """A label could not be computed.

    Parameters
    ----------
    message
        The explanation, with numbers.
    reason
        An identifier for queries: ``unsupported``, ``scf_not_converged``, ``symmetry_analysis_failed``,
        ``diagonalization_failed``, ``out_of_memory``, ``killed``, ``disk_full``, ``garbage_output``, or
        ``reference_method_failed`` for anything else.
    files
        Inputs and logs to store with the rejected label.
    corrections
        Corrections by error handlers, as `schemas.label.Correction`.
    """

    def __init__(
        self,
        message: str,
        reason: str = "reference_method_failed",
        files: Sequence[Path] = (),
        corrections: Sequence[object] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.files = tuple(files)
        self.corrections = tuple(corrections)


class WalltimeReachedError(InterphaseError):
    """The walltime was reached before the result; a checkpoint is stored, and a resume continues from it."""


class WorkerDiedError(InterphaseError):
    """Worker processes of this machine died while they ran a job, killed or out of memory."""


class LeaseLostError(InterphaseError):
    """Another process took over the lease of the work, because this one appeared dead; this process stops writing."""


class TrainingError(InterphaseError):
    """A potential could not be trained."""


class CompilationError(InterphaseError):
    """A potential could not be compiled, or does not fit a compiled graph; the eager potential is used instead.

    Parameters
    ----------
    message
        The explanation.
    reason
        An identifier for queries: ``no_compiler``, ``timeout``, ``killed``, ``compilation_failed``,
        ``cannot_load``, ``other_architecture``, ``disagrees_with_eager``, ``switched_off``, ``other_machine``,
        ``damaged_graph`` or ``began_eagerly``.
    """

    def __init__(self, message: str, reason: str = "compilation_failed") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def note(self) -> str:
        """Note for the document of what is computed eagerly instead."""
        return f"potentials are evaluated eagerly: {self}"


class SpeedError(InterphaseError):
    """The speed of this machine could not be measured; plans use built-in figures."""


class DynamicsError(InterphaseError):
    """A segment of molecular dynamics cannot start or continue."""


class StorageError(InterphaseError):
    """Stored data cannot be read or written."""


class StorageUnavailableError(StorageError):
    """Storage is temporarily unavailable; the same operation may succeed later."""


class ServerUnavailableError(StorageUnavailableError):
    """The database server does not respond."""


class DiskFullError(StorageUnavailableError):
    """A disk is full, or a quota is used up."""


class LockedError(StorageError):
    """Another process holds the lock of a campaign, a folder or a file."""


class CorruptArtifactError(StorageError):
    """A file is missing, or its hash differs from the recorded one."""


class CorruptStoreError(StorageError):
    """The document store is damaged."""


class DocumentTooLargeError(StorageError):
    """A document is over 1 MB; its data belong in an artifact."""


class AnalysisError(InterphaseError):
    """A trajectory does not support the requested analysis."""


class SlabWidthError(AnalysisError):
    """Slabs of these widths do not resolve the boundaries: the cell or a side is too thin, or none shows the bulk."""


class UnsupportedWindowError(AnalysisError):
    """A time window is too short, has a gap or a drifting cell, or is not yet diffusive."""
