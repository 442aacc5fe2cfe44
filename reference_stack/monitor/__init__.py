"""Scrapes the components, judges service levels and alert rules, and sends alerts."""
