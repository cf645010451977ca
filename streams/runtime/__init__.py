"""What makes Faust keep the product's promises: units of work, owned partitions, changelog-backed tables."""

from streams.runtime.app import App
from streams.runtime.partition import Partition
from streams.runtime.unit import AbandonedError, Batch, Unit

__all__ = ["AbandonedError", "App", "Batch", "Partition", "Unit"]
