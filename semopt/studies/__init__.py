"""Questions with an answer each, reproduced by one program: `python -m semopt.studies.NAME`."""
