"""Sections of the HTML report: a Python file and a Jinja template each."""
