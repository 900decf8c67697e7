"""The lab: what measures the model and the engine."""
