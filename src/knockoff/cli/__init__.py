"""What an operator types: the `knockoff` command."""

from __future__ import annotations


def main() -> None:
    """Run the command that the shell was given."""
    from knockoff.cli.app import app

    app(prog_name="knockoff")
