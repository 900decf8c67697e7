"""Verbs that keep Kafka and Redis in order: topics, what stages refused, who may do what."""
