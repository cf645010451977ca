"""What an operator asks of a running site: explanations, recordings, dead letters, catalogs, forgetting."""
