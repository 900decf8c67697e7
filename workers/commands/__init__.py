"""Verbs of the command line that run and end."""
