"""What a user asks for: the LoadForecast specification and the book of all of them."""
