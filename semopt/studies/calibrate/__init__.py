"""The inverse problem: which figures that nobody published explain what was measured."""
