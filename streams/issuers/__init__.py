"""Who issues badges: each issuer's web service as values, and the network that carries them."""
