"""DAMNIT's function style turned into class style, with comments and layout kept."""
