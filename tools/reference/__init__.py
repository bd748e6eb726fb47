"""Pages of docs/ that are written from the code: what can be set, asked for, called and measured."""
