"""What names an expression and explains it."""
