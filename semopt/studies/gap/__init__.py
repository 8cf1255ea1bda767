"""The gap study: methods and policies against the certified optimum."""
