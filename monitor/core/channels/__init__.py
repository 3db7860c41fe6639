"""Other scalars of the documents, such as the ring current: their values, and steps in them."""
