"""The stages of the stream (landmarks, classify, state) and what they share."""
