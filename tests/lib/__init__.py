"""What the end-to-end tests share: TAP, processes and sessions, /proc, the segment format."""
