"""The data proxy: named links from a source folder to a sink folder, with data toxics.

With no toxic it hands every file on unchanged, atomically, once and in the order it came.
"""
