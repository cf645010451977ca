"""A real Kafka, a real registry, an LMS that emits, for the demo and the tests."""
