"""Verbs that keep Kafka and Redis in order: who may do what there."""
