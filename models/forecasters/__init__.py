"""The forecasters: one file each, none knows another; registry.py lists them."""
