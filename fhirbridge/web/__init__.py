"""HTTP in and out: Flask lives here only."""
