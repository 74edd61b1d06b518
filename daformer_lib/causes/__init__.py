"""Whether the causes that the paper names for its gains are there in the drawn world."""
