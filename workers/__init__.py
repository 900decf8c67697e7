"""What runs: the stages, the cameras, the commands, and the command line that starts them."""

import os

# Before numpy is loaded. Each process does small products, many times a second; OpenBLAS's own threads
# would not speed those up, but spin between them and take a whole core.
os.putenv("OPENBLAS_NUM_THREADS", "1")
