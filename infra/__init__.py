"""The stack on AWS, and the programs that check it: see README.md here."""
