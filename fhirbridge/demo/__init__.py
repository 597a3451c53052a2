"""The demo: a provider's bridge, a flaky EHR, and the story of one discharge plan between them."""
