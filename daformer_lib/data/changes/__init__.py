"""Whether files have changed since they were converted, prepared or trained on."""
