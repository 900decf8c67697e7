"""What measures the workers themselves, and the table of all metrics."""
