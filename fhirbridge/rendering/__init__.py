"""What people read: the packet of a handoff, as HTML to print or to attach."""
