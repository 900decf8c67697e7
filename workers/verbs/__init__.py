"""The options of each verb of `mien`, a file for each panel of its help."""
