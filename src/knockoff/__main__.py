"""`python -m knockoff` is the `knockoff` command."""

from knockoff.cli import main

main()
