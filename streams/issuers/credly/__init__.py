"""Credly as an issuer: requests, answers, and the calls that they make together."""
