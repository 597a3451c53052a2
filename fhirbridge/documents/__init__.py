"""Use cases around native documents: receive them, and store what they become."""
