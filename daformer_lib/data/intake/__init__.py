"""From a user's folder to converted files: looked at, checked, converted, drawn where missing."""
