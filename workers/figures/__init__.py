"""What rows of `mien bench` are made of: times taken in turns, findings, what Linux tells of a process."""
