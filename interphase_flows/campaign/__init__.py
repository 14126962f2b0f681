"""Campaign files: schema, YAML reader with line numbers, validation, templates.

May import the scientific subpackages and `reference`, but neither `storage` nor a workflow engine.
"""
