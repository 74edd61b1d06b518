"""The UDA method: teacher, ClassMix, feature distance, and the step that joins them."""
