"""Analysis of trajectories, usable without a campaign: frames and arrays in, typed results out.

One folder per subject. Imports only `exceptions`, `units` and `runtime.progress` of the package, and no workflow engine,
database or torch. Any room above may import it.
"""
