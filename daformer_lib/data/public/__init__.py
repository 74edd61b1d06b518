"""Published data sets on disk: what is missing and how it is had, what two have in common, what
repeats between splits."""
