"""What the chapter tours run: one module a tour."""
