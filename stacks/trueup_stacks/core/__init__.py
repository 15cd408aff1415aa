"""Resources as data, stacks, outputs, and what a target is."""
