"""Badge streams: awards Open edX badges from the event bus and issues them at their issuers.

badges      the core: what follows from an activity; values in, values out
catalog     a document of people's becomes what the core judges by
bus, kafka  Open edX's event bus; how this product uses Kafka
runtime     what makes Faust keep the promises
tracker     a worker: events to badge events         relay    a worker: badge events to issued badges
issuers     who issues badges, each as values        operate  one file a command
sandbox     a bus, an LMS and issuers to try it with

Everybody may use errors, headers, settings, metrics, logs and clock. Who else may import whom is drawn in
docs/architecture.md and held by tests/test_directions.py.
"""
