"""Pure rules of handoffs: status words, allowed moves, when to try again."""
