"""Synthetic histories: a believable year of leads, for a look round, trials and load."""
