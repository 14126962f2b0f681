"""Custodian's words go to a file beside the calculation, not to the terminal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOG = "custodian.log"


@contextmanager
def custodian_log(folder: Path) -> Iterator[None]:
    """Let custodian log to ``custodian.log`` in a folder, and keep its warnings to itself."""
    logger = logging.getLogger("custodian")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    handler = logging.FileHandler(folder / LOG, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk is told elsewhere
    # custodian's handlers log as "VaspErrorHandler" and the like: with a root logger without handlers those would
    # be printed by logging's last resort
    last_resort, logging.lastResort = logging.lastResort, None
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="custodian|pymatgen|monty")
            yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
        logging.lastResort = last_resort
        handler.close()
