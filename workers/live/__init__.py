"""`mien live`: the page of all cameras and the API beneath it, who may see what, and verdicts."""
