"""Redis: what is kept of subjects and cameras."""
