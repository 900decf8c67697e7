"""`mien chaos`: breaks the chain on purpose, by a seed, and counts what was lost, done twice or changed."""
