"""Small programs that show the project at work; nothing imports them."""
