"""A real Kafka and registry, an LMS that emits events, a simulated Credly: for demo and tests.

Decision 0020 says why it is part of the package.
"""
