"""Versions: the plugin's has the major number of the newest Tutor that it supports."""

__version__ = "22.0.0"

PRODUCT_VERSION = "0.1.0"
"""Of badge-streams itself: the tag of its image."""
