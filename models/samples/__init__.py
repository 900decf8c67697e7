"""The lab: labelled faces for training and evaluation."""
