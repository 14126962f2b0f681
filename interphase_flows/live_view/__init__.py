"""Read-only pages of campaigns in the browser, for `interphase serve`.

Imported by `cli`. Reads stored documents and files of reports and writes nothing. Like `interphase status`, it holds a
shared lock for an instant, to see whether a campaign runs.
"""
