"""Campaign files: schema, YAML reader with line numbers, validation, templates.

May import the science rooms and reference; knows no storage and no workflow engine.
"""
