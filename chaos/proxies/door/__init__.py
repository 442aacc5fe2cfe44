"""A door into an internal network: all of a stack in containers that can be reached."""
