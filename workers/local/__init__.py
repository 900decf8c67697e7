"""What starts other processes of ours on this machine."""
