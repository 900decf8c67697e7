"""What Prometheus is to compute and to alert on, and a stand-in for the pager at the end of it."""
