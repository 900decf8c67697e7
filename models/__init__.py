"""What decides. `faces` and `emotion` run in the stream; the other rooms are the lab.

Pure functions, arrays in and arrays out: nothing here knows of Kafka, Redis or settings.
"""
