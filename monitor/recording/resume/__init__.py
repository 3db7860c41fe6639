"""A recording whose writer was killed is continued."""
