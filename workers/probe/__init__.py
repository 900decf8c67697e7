"""The truth probe: a camera whose answers are known, through the live chain beside the real ones."""
