"""The course: what a chapter needs, what runs the notebooks, and the report at the end."""
