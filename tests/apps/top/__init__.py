"""What `sigil top` shows, and how."""
