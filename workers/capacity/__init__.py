"""What so many cameras need: measured costs, a simulation of the chain, and the plan that follows."""
