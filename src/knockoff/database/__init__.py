"""MongoDB: the server that comes with knockoff, the connection to any, and what is stored there."""
