"""Where records come from, and independent answers (oracles) about them."""
