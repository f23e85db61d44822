"""One file per verb of the command `mtscene`: EXAMPLE, add_arguments(parser), run(arguments)."""
