"""Bytes of the file: payloads, framings, lengths."""
