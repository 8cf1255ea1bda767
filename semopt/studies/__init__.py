"""Questions with an answer each, made of cells that one engine room computes: `semopt study`."""
