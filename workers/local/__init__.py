"""What starts other processes of ours on this machine: `mien demo`, and a stage several times."""
