"""The virtual driver: targets that live in this process and in virtual time."""
