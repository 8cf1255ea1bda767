"""What a chart's specification draws."""


def rows_of(spec, layer=None):
    """Return the rows that a chart, or a layer of it, draws."""
    part = spec if layer is None else spec["layer"][layer]
    data = part.get("data") or spec["data"]
    return spec["datasets"][data["name"]] if "name" in data else data["values"]
