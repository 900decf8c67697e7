"""What rows of `mien bench` are made of: times taken in turns, findings, and what Linux tells of a process."""
