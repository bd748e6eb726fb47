"""The experts whose candidates the mixture weighs: one file each, none knows another; registry.py lists them."""
