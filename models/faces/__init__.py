"""What sees a face: engine, tracking, alignment, quality."""
