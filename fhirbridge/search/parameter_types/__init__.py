"""One module per type of search parameter: what is indexed, and how a value is read and matched."""
