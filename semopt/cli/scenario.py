"""`semopt scenario`."""

import typer

app = typer.Typer(help="Show, check and make scenarios.", no_args_is_help=True)


@app.command("list")
def list_presets() -> None:
    """List the presets."""
    from ..scenario import presets

    for name, text in presets().items():
        typer.echo(f"{name}: {text}")
