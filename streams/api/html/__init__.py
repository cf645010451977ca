"""What people look at: a learner's page, made on the server, which needs no script (decision 0089)."""
