"""What the credentials service of Open edX knows of badges, taken along: its catalog, its learners' state."""
