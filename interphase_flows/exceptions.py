"""Every error this package raises on purpose.

::

    InterphaseError
    ├── InputError                    what the user handed over is wrong; nothing was started
    │   ├── CampaignFileError         unknown key, wrong type or unit, with its line
    │   ├── StructureError            a structure is missing, empty, without a cell
    │   │   └── OverlappingAtomsError two atoms closer than any bond
    │   └── SettingsError             settings of this machine (stores, commands)
    ├── CampaignFailedError           jobs failed without which a campaign has no result
    ├── ReferenceMethodError          a label could not be computed
    ├── WalltimeReachedError          time ran out; what was done is kept, and the next launch goes on
    ├── LeaseLostError                another process has taken this work over; this one stops
    ├── TrainingError                 a potential could not be trained
    ├── DynamicsError                 a segment of molecular dynamics cannot start or go on
    ├── StorageError                  something stored cannot be read or written
    │   ├── StorageUnavailableError   temporary: the same operation may succeed later
    │   │   ├── ServerUnavailableError the database server does not answer
    │   │   └── DiskFullError         a disk is full, or a quota is used up
    │   ├── LockedError               another process holds the campaign
    │   ├── CorruptArtifactError      a file's hash is not the one on record
    │   ├── CorruptStoreError         the document store is damaged
    │   └── DocumentTooLargeError     a document over 1 MB: its data belong in an artifact
    └── AnalysisError                 a trajectory cannot support the answer asked of it
        └── UnsupportedWindowError    a window is too short, or not diffusive, for a transport coefficient

A message says what is wrong, where (file, key, value), and what to do about it.
"""

from collections.abc import Sequence
from pathlib import Path


class InterphaseError(Exception):
    """Base class of all errors raised on purpose."""


class InputError(InterphaseError):
    """What the user handed over is wrong; nothing was started."""


class CampaignFileError(InputError):
    """A campaign file has an unknown key, a wrong type or a value out of range."""


class StructureError(InputError):
    """A structure is missing, empty, or has no cell."""


class OverlappingAtomsError(StructureError):
    """Two atoms are closer than any bond."""


class SettingsError(InputError):
    """The settings of this machine are wrong or incomplete."""


class CampaignFailedError(InterphaseError):
    """Jobs failed without which a campaign has no result; results so far are stored, and a resume continues."""


class ReferenceMethodError(InterphaseError):
    """A label could not be computed.

    Parameters
    ----------
    message
        In words, with numbers.
    reason
        One word that can be queried: ``unsupported``, ``scf_not_converged``, ``symmetry_analysis_failed``,
        ``diagonalization_failed``,
        ``out_of_memory``, ``killed``, ``disk_full``, ``garbage_output``, or ``reference_method_failed`` for anything
        else.
    files
        Inputs and logs worth keeping.
    corrections
        What error handlers had tried, as `documents.records.Correction`.
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
    """Time ran out before a result; what was done is kept, and the next launch goes on from there."""


class LeaseLostError(InterphaseError):
    """Another process has taken this work over, because this one was thought dead; it stops and writes nothing."""


class TrainingError(InterphaseError):
    """A potential could not be trained."""


class DynamicsError(InterphaseError):
    """A segment of molecular dynamics cannot start or go on."""


class StorageError(InterphaseError):
    """Something stored cannot be read or written."""


class StorageUnavailableError(StorageError):
    """Storage is temporarily unavailable; the same operation may succeed later."""


class ServerUnavailableError(StorageUnavailableError):
    """The database server does not answer."""


class DiskFullError(StorageUnavailableError):
    """A disk is full, or a quota is used up."""


class LockedError(StorageError):
    """Another process holds the campaign."""


class CorruptArtifactError(StorageError):
    """The hash of a file is not the one on record."""


class CorruptStoreError(StorageError):
    """The document store is damaged."""


class DocumentTooLargeError(StorageError):
    """A document is over 1 MB: its data belong in an artifact."""


class AnalysisError(InterphaseError):
    """A trajectory cannot support the answer asked of it."""


class UnsupportedWindowError(AnalysisError):
    """A window is too short, has a gap or another cell, or its motion is not diffusive yet, for a coefficient."""
