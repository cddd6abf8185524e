"""Where user code runs: processes of its own on this machine, or this process."""
