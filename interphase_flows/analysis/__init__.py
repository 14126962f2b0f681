"""Analysis of trajectories, usable without a campaign: takes frames and arrays, returns typed results.

One subpackage per subject. Imports only `exceptions`, `units` and `runtime.progress` of interphase_flows, and no workflow
engine, database or torch.
"""
