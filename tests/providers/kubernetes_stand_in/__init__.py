"""What Pulumi's Kubernetes provider does in what the engine sees, on server-side apply. For tests; README.md says what is otherwise."""
