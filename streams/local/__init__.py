"""Development servers: Kafka and Redis on this machine."""
