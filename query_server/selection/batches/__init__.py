"""How a batch is drawn from what was scored: one file a rule, named by the registry."""
