"""`mien camera`: from a camera or file to frames in Kafka."""
