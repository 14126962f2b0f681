"""State of torch and loggers in which NequIP trains and evaluates."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from nequip.utils.global_dtype import _GLOBAL_DTYPE
from nequip.utils.global_state import set_global_state

LIGHTNING = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")
VERBOSE_LOGGERS = ("nequip", *LIGHTNING, *(f"{name}.utilities.rank_zero" for name in LIGHTNING))
"""Loggers that report missing accelerators in every training.

The last imported of Lightning's packages reports, and sets the level of its package but not of `rank_zero`.
"""


@contextmanager
def double_precision() -> Iterator[None]:
    """Set the default type of torch, in which NequIP makes tensors; another package may have changed it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(_GLOBAL_DTYPE)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def quiet_training(n_threads: int) -> Iterator[None]:
    """Set the number of threads and the default type of torch, and silence Lightning's loggers.

    Training is reproducible only with the same number of threads, which changes the order of sums. NequIP sets
    the default type of torch once per process; here it is set for every training, which then does not depend on what
    ran before.
    """
    threads_before, dtype_before = torch.get_num_threads(), torch.get_default_dtype()
    with warnings.catch_warnings():
        # torch deprecates TorchScript options that NequIP sets
        warnings.simplefilter("ignore", DeprecationWarning)
        set_global_state()
    torch.set_default_dtype(_GLOBAL_DTYPE)
    loggers = [logging.getLogger(name) for name in VERBOSE_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    torch.set_num_threads(n_threads)
    try:
        with warnings.catch_warnings():
            # Lightning advises more loader workers and log steps, which do not help for small datasets
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=r".*(treespec|LeafSpec|isinstance).*", category=FutureWarning)
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_default_dtype(dtype_before)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
