"""A recorded experiment is measured again."""
