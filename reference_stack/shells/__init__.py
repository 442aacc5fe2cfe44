"""What turns a component into a real process (HTTP) or into a part of the virtual loop."""
