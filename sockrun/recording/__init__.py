"""Scenarios made from what really passed: through a proxy of ours, or in a capture."""
