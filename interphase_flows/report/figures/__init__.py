"""Figures of the report, one file per subject: typed results in, matplotlib figures out."""
