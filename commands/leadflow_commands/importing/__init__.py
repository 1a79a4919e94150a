"""Reading other systems' files: what they hold becomes facts in the log."""
