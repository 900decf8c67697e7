"""Many cameras, each a process of its own, from one file."""
