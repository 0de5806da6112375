"""Commands that make and inspect data: check, gap, render, show, turing."""
