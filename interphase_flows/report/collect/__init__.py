"""Collect what the report shows from the stored documents of a campaign."""
