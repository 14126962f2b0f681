"""Makers of flows: initial data, exploration, active learning, production, transport grid, campaign.

Connects the Makers of `jobs`. Imported by `runners` and `commands`.
"""
