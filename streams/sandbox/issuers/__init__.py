"""What the simulators of issuers share: calls and their answers, trouble on demand, a server."""
