"""Mapping files that come with leadflow."""
