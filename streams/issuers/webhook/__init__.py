"""A service of the site's own that is told of each badge, by Standard Webhooks."""
