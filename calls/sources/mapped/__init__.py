"""Files of any system, read by a profile: data that says which column is what.

`profile` is that data, `source` reads records by it, `proposing` makes a first one from a file.
Nothing here knows a particular system; the profiles that the product ships are files.
"""
