"""What is worked on where there is more than can be: which frames, and of which partition."""
