"""Whether the roles of a file fit each other: it is played in memory, and what fails there is wrong with the file."""
