"""One run's due variables, in order, each result as it comes."""
