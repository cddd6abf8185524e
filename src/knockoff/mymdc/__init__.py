"""The facility's catalogue of proposals, runs and samples, as MyMdC's HTTP API has it."""
