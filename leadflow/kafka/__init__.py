"""Kafka: ingest of an inbox, relay of the log, and what runs them."""
