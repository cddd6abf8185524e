"""A simulated beamtime on real parts."""
