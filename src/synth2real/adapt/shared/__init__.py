"""What several families of adaptation share."""
