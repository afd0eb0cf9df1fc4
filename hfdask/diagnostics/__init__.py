"""Diagnose this machine and the workers of a cluster."""
