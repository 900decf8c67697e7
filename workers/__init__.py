"""What runs: one file a stage, and the command line."""
