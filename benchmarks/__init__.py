"""What takes long and needs a quiet machine: speed, laws over many documents, kill -9."""
