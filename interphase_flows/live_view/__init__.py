"""Read-only pages of campaigns in the browser, for `interphase serve`.

Imported by `cli`. Reads stored documents and files of reports; takes no lock and writes nothing.
"""
