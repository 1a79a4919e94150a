"""The domain: what a lead is and what can happen to it. Pure, without I/O."""
