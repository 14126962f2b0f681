"""Checkpoints of NequIP, read such that no file can run code.

A checkpoint is a pickle, which can call any function when it is loaded, and it names the classes of which NequIP builds
the model. NequIP and Lightning load it without restrictions. So each file is checked first: torch's restricted loader
accepts tensors and plain values only, and the names must be those of models, metrics and optimisers.

Packages (``.nequip.zip``) and compiled models (``.nequip.pth``, ``.nequip.pt2``) contain code by design and cannot be
checked.
"""

import errno
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from interphase_flows.exceptions import TrainingError

_BUILT_ON_LOADING = re.compile(
    r"(nequip\.(model|train|data|nn)|nequip\.nn\.\w+|allegro\.(model|nn)|torch\.optim|torch\.optim\.lr_scheduler)\.[A-Z]\w*"
    r"|nequip\.model\.modify"
    r"|nequip\.train\.lightning\.(_default_param_group_factory|[A-Z]\w*LightningModule)"
)
_LOADS_OTHER_FILES = re.compile(r".*From(Checkpoint|Package)|.*Dataset\w*|.*DataModule")
_UNREADABLE = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, UnpicklingError)
_TRUNCATED = errno.EINVAL
"""Error number of torch's reader for a file that is cut off; other errors of the system are raised as they are."""


def read_checkpoint_file(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint of NequIP, which has tensors, plain values and names of NequIP's classes only.

    Raises
    ------
    TrainingError
        It cannot be read, contains other objects, or names a function that NequIP would call.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of files that are not checkpoints
            content = torch.load(path, map_location="cpu", weights_only=True)
        parameters = content["hyper_parameters"]
        built = {name: value for name, value in parameters.items() if name != "info_dict"}
        built["training_module"] = parameters["info_dict"]["training_module"]
    except (OSError, *_UNREADABLE) as error:
        if isinstance(error, OSError) and error.errno != _TRUNCATED:
            raise
        lines = str(error).rpartition("WeightsUnpickler error:")[2].strip().splitlines()
        reason = lines[0].strip()[:200] if lines else type(error).__name__
        raise TrainingError(
            f"{path} is not a checkpoint of NequIP with tensors and plain values only ({reason}). Hint: restore the "
            "file, or train the potential again"
        ) from error
    for name in _targets(built):
        if not isinstance(name, str) or not _BUILT_ON_LOADING.fullmatch(name) or _LOADS_OTHER_FILES.fullmatch(name):
            raise TrainingError(
                f"{path}: the checkpoint would call {str(name)[:100]!r}, which is not a model, metric or optimiser of "
                "NequIP. Hint: if you trust its author, package it by nequip-package and use the .nequip.zip"
            )
    return dict(content)


def _targets(value: object) -> Iterator[object]:
    """Yield the names of all functions and classes that hydra would call for a configuration."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "_target_":
                yield inner
            else:
                yield from _targets(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for inner in value:
            yield from _targets(inner)
