"""The run table in a terminal: a grid that fills while one watches it."""
