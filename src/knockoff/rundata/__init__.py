"""The recorded run in: finding it on disk, opening it, and writing synthetic ones."""
