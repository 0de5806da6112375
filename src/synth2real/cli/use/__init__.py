"""Commands that use what was learnt: evaluate, methods, predict, report."""
