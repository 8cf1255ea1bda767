"""Programs to start from, each of which runs as it is; `semopt examples` lists and copies them."""
