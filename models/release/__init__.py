"""The lab: from a trained network to the file that ships."""
