"""What nodes cost: prices per node pool, where they come from and how old they are, and what follows for a choice."""
