"""A real Kafka and registry, an LMS that emits events, a simulated Credly: for the demo and the tests."""
