"""``python -m interphase_flows.cli``."""

from interphase_flows.cli import main

if __name__ == "__main__":  # worker processes import this module
    main()
