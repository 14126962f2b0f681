"""Every error this package raises on purpose.

::

    InterphaseError
    ├── InputError                    what the user handed over is wrong; nothing was started
    │   ├── CampaignFileError         unknown key, wrong type or unit, with its line
    │   ├── StructureError            a structure is missing, empty, without a cell
    │   │   └── OverlappingAtomsError two atoms closer than any bond
    │   └── SettingsError             settings of this machine (stores, commands)
    ├── ReferenceMethodError          a label could not be computed
    ├── TrainingError                 a potential could not be trained
    ├── DynamicsError                 a segment of molecular dynamics cannot start or go on
    ├── StorageError                  something stored cannot be read or written
    │   ├── LockedError               another process holds the campaign
    │   ├── CorruptArtifactError      a file's hash is not the one on record
    │   ├── CorruptStoreError         the document store is damaged
    │   └── DocumentTooLargeError     a document over 1 MB: its data belong in an artifact
    └── AnalysisError                 a trajectory cannot support the answer asked of it

A message says what is wrong, where (file, key, value), and what to do about it.
"""


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


class ReferenceMethodError(InterphaseError):
    """A label could not be computed."""


class TrainingError(InterphaseError):
    """A potential could not be trained."""


class DynamicsError(InterphaseError):
    """A segment of molecular dynamics cannot start or go on."""


class StorageError(InterphaseError):
    """Something stored cannot be read or written."""


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
