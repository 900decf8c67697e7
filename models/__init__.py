"""What decides: face mesh, alignment, landmark sets, the classifier with its attribution, training."""
