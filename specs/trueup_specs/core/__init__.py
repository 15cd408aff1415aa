"""The language core: positions, diagnostics, envelope, references, rules, fingerprints."""
