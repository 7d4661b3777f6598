"""From lab sources to notebooks, and the proof that graders grade."""
