"""Commands that make and inspect data: `render`, `show`, `check`, `gap`, `turing`."""
