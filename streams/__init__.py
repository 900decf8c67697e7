"""What flows: topics, event schemas, settings, metrics, and the connections to Kafka and Redis."""
