"""What a replay showed: the types that it fills, and how they are drawn."""
