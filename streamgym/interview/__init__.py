"""Interview practice: questions, flash cards, a mock interview, and designs to be worked out."""
