"""Kafka: the facility's messages in, checked and in batches, and our own messages out."""
