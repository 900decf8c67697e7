"""The stages of the stream, and the frame they share."""
