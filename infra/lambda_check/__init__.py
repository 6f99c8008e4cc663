"""`make lambda-check`: see __main__.py here."""
