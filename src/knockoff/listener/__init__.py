"""What runs all night: Kafka in, rows and results out."""
