"""``python -m interphase_flows.cli``."""

from interphase_flows.cli import main

main()
