"""A program being played: roles, scenes, and many of them in one loop."""
