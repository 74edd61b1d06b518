"""Which run to take, when the target has no labels: criteria that need none, and how far each one
could be trusted where labels were there to tell."""
