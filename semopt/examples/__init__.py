"""Programs and notebooks to start from, each of which runs as it is: see `semopt examples`."""
