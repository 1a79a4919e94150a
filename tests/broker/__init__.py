"""A real Kafka broker, without containers: fetched by Maven, started on loopback."""
