"""Run tables that fill themselves."""

__version__ = "0.1.0"
