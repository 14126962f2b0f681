"""Campaign files: schema, YAML reader, validation, templates.

May import the science below it (`potentials`, `reference`, `md`, `structures`, `analysis`), not `storage` or `jobs`.
"""
