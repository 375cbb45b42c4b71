"""What operators cost, one by one: tiny graphs, timed in a process of their own beside the reference kernel."""
