"""Two readers of video, Mien's and OpenCV's, each alone in a process: `mien bench camera` compares them."""
