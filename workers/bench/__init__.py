"""`mien bench`: speed and memory, beside a baseline in the same run."""
