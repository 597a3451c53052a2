"""Search as pure rules: URL parameters -> SearchQuery, resource -> index values."""
