"""Values of a table as figures: columns against each other, and arrays."""
