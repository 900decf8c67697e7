"""The lab: made-up pictures, for the demo, tests and benchmarks."""
