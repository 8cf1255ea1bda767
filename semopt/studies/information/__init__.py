"""What observations of users' own permit at best."""
