"""Types of melix.core.fft, made from the headers of the operations."""
