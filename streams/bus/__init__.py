"""The Open edX event bus on Kafka: frames, Avro, headers, the schema registry."""
