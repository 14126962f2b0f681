"""Workflows that simulate and measure the interphase between an electrode and a solid electrolyte.

Importing this package loads neither torch nor jobflow nor pymatgen, so that the command line starts fast.
"""

from importlib.metadata import version

__version__ = version("interphase-flows")
