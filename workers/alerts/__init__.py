"""Alerts on faces: rules as a file, the engine that decides, and the stage `mien alerts` around it."""
