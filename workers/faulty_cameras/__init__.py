"""Made-up cameras that misbehave on purpose, for measuring how the real ones are borne."""
