"""Serving: slates from the champion, their log, and why a customer saw what they saw."""
