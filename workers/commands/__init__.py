"""The verbs of the command line that do something and end: `mien train`, `mien evaluate` …"""
