"""Context files: loaded, checked, and described in plain data."""
