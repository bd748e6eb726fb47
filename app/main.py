"""create_app(settings): the only place where the service's parts are joined."""
