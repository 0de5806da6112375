"""One benchmark for each protocol: the same routes, one data set."""
