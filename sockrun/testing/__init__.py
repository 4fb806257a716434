"""sockrun inside pytest. Nothing of sockrun imports it, so that pytest is only needed where it runs."""
