"""Code that several kinds of adaptation share."""
