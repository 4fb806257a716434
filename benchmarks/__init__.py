"""How fast sockrun is, beside other programs that do the same work. See README.md here."""
