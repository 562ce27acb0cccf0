"""The agents and their shells: Kafka in, Kafka out, state in Redis."""
