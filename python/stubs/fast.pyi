"""Types of melix.core.fast, made from the headers of the operations."""
