"""What makes Faust keep the product's promises: units of work, owned partitions, changelog-backed tables."""
