"""Run documents: built from a description, filled through one slot."""
