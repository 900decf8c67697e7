"""What is true of a camera: from its pictures to measures, from measures to a state, and how that is told."""
