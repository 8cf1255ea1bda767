"""Encoders, codecs and their training."""
