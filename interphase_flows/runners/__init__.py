"""Run a campaign's flow: on this machine (`local.py`) or on a cluster (`fireworks`, `slurm`, `site_check`).

Imported by `cli` and `commands`. The only subpackage that imports FireWorks.
"""
