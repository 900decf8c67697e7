"""What `mien live` keeps of the topics: the last minutes, alerts and verdicts, and what clients are sent."""
