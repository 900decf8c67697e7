"""The lab: what makes the model."""
