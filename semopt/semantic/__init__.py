"""Semantic transmission models: real data, real encoders, what they cost and what they achieve."""
