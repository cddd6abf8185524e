"""Bulk values out to HDF5 and back, and what a table shows of them."""
