"""From a file to a checked tree of values: YAML, and the JSON Schema."""
