"""A scenario as load: its servers once, its clients as many users, and what that came to in figures."""
