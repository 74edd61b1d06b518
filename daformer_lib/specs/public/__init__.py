"""Data sets that others publish: what each is, whose terms hold, where it is had, who says so."""
