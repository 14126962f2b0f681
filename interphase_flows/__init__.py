"""From an electrode and a solid electrolyte to a measured interphase.

Importing this package is cheap on purpose: the command line answers before torch,
jobflow or pymatgen are loaded.  Import the rooms that you need.
"""

from importlib.metadata import version

__version__ = version("interphase-flows")
