"""From a camera or file to frames in Kafka."""
