"""Parts of the interface analysis, one file each; `pipeline.registered_parts` lists them."""
