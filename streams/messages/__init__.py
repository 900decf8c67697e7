"""The contracts: what is written to each topic."""
