"""Verbs that keep Kafka in order: its topics, and what stages refused."""
