"""The envelope that all kinds share: its rules, and those of values that stand in several kinds."""
