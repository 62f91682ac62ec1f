"""Types of melix.core.random, made from the headers of the operations."""
