"""HTTP as every service speaks it: who may come in, what errors look like, health, limits."""
