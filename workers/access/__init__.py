"""Who may look at what: the access file, and signed tokens that name somebody in it."""
