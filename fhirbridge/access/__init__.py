"""Who may call: clients, their keys, and the tokens they get for a signed assertion."""
