"""What a chart draws."""


def rows_of(chart, *parts):
    """Return the rows that a chart draws, or a part of it: of a grid, of layers, by their places.

    A layer that has no data of its own draws those of the whole.
    """
    whole = chart if isinstance(chart, dict) else chart.to_dict()
    part, data = whole, whole.get("data")
    for place in parts:
        part = part[next(key for key in ("concat", "layer", "spec") if key in part)]
        part = part if isinstance(part, dict) else part[place]
        data = part.get("data", data)
    return whole["datasets"][data["name"]] if "name" in data else data["values"]
