"""Types of melix.core.linalg, made from the headers of the operations."""
