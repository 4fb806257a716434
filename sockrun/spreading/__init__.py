"""Scenarios spread over several processes or machines, and told as if there were one."""
