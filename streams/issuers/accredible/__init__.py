"""Accredible's web service."""
