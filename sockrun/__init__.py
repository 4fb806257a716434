"""sockrun plays declarative socket scenarios."""
