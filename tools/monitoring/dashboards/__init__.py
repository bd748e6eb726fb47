"""One module a dashboard; each gives one Dashboard."""
