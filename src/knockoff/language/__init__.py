"""The words a context file is written in."""
