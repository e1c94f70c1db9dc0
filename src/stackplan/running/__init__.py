"""What runs of a saved plan: units under a kept supervisor, where they answer, what they hold."""
