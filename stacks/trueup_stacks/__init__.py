"""What a spec becomes: pure functions from resolved specs to resources. No I/O."""
