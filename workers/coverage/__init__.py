"""Where in a camera's picture faces can be read: counted, mapped, and said with what to do about it."""
