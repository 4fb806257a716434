"""From a tree of values to a program."""
