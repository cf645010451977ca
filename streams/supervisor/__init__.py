"""A small site in one container: its workers as child processes of one that watches them."""

WORKERS = ("bridge", "tracker", "relay", "api")
"""What a site may run, in the order in which an event meets them."""
