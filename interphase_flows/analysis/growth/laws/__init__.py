"""Growth laws, one per file; `LAWS` in `growth/kinetics.py` lists them."""
