"""One frame's way through all processes as one trace: W3C Trace Context, and spans where they are wanted."""
